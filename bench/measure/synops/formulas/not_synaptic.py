"""Operators that hold no synaptic operation. What is neither here nor has a formula is reported as uncounted.

Elementwise operators and reductions are recognised by torch's own tags, views by their schema. The rest is listed by
name. Left out on purpose, because they can hold weighted sums: scatter and index additions, embedding bags, distances,
Fourier transforms, linear algebra, sparse products, fused attention and recurrent kernels.
"""

from __future__ import annotations

import torch
from torch._ops import OpOverload, OpOverloadPacket

# Creating, filling and random numbers.
_CREATING = """
    arange empty empty_like empty_permuted empty_strided eye fill fill_ full full_like lift lift_fresh linspace
    logspace new_empty new_empty_strided new_full new_ones new_zeros ones ones_like range scalar_tensor zero zero_
    zeros zeros_like tril_indices triu_indices bernoulli bernoulli_ binomial cauchy_ exponential exponential_
    geometric_ log_normal_ multinomial normal normal_ normal_functional poisson rand rand_like randint randint_like
    randn randn_like random random_ randperm uniform uniform_ native_dropout bartlett_window blackman_window
    hamming_window hann_window kaiser_window
"""
# Copying, moving and arranging.
_ARRANGING = """
    _copy_from _pin_memory _to_copy clone copy copy_ cat stack _stack _chunk_cat block_diag complex detach_
    constant_pad_nd reflection_pad1d reflection_pad2d reflection_pad3d replication_pad1d replication_pad2d
    replication_pad3d repeat roll rot90 flip channel_shuffle pixel_shuffle pixel_unshuffle im2col resize_
    _unsafe_view _reshape_copy unsafe_split unsafe_split_with_sizes as_strided_ t_ transpose_ squeeze_ unsqueeze_
    set_ diag_embed tril tril_ triu triu_ select_scatter slice_scatter diagonal_scatter as_strided_scatter to_dense
    _to_dense _pack_padded_sequence repeat_interleave
"""
# Looking up, choosing and ordering. An embedding is a table look-up.
_CHOOSING = """
    embedding embedding_renorm_ gather index index_select index_copy index_copy_ index_fill index_fill_
    masked_fill_ masked_scatter masked_scatter_ masked_select nonzero nonzero_static
    scatter scatter_ take unique_consecutive unique_dim _unique _unique2 isin _unsafe_index
    _unsafe_masked_index searchsorted bucketize sort topk kthvalue median nanmedian mode cummax cummin
    _cummax_helper _cummin_helper histc
"""
# Running and other sums without weights.
_SUMMING = """
    cumsum cumsum_ cumprod cumprod_ logcumsumexp _logcumsumexp trace _aminmax renorm renorm_
"""
# Elementwise operators that carry no tag.
_ELEMENTWISE = """
    _add_relu _add_relu_ _log_softmax _softmax _safe_softmax _masked_softmax _prelu_kernel abs_ copysign_ eq_ ge_
    gt_ le_ lt_ ne_ floor_divide floor_divide_ gelu_ glu hardswish hardswish_ heaviside_ huber_loss
    log_sigmoid_forward mish_ mse_loss smooth_l1_loss soft_margin_loss threshold_ rrelu_with_noise rrelu_with_noise_
    _fused_dropout _masked_scale _weight_norm_interface _thnn_fused_gru_cell _thnn_fused_lstm_cell
    binary_cross_entropy binary_cross_entropy_with_logits nll_loss_forward nll_loss2d_forward multi_margin_loss
    multilabel_margin_loss_forward _ctc_loss
"""
# Normalisation, pooling and resampling: they are in the ledger of other operations.
_NORMALISING = """
    _batch_norm_no_update _batch_norm_with_update _batch_norm_with_update_functional _native_batch_norm_legit
    _native_batch_norm_legit_functional _native_batch_norm_legit_no_training batch_norm_elemt
    batch_norm_gather_stats batch_norm_gather_stats_with_counts batch_norm_stats batch_norm_update_stats
    cudnn_batch_norm miopen_batch_norm native_batch_norm native_group_norm native_layer_norm _fused_rms_norm
    _adaptive_avg_pool2d _adaptive_avg_pool3d adaptive_max_pool2d adaptive_max_pool3d avg_pool2d avg_pool3d
    fractional_max_pool2d fractional_max_pool3d max_pool2d_with_indices max_pool3d_with_indices max_unpool2d
    max_unpool3d mkldnn_adaptive_avg_pool2d mkldnn_max_pool2d mkldnn_max_pool3d upsample_nearest1d
    upsample_nearest2d upsample_nearest3d _upsample_nearest_exact1d _upsample_nearest_exact2d
    _upsample_nearest_exact3d upsample_linear1d upsample_bilinear2d upsample_bicubic2d upsample_trilinear3d
    _upsample_bilinear2d_aa _upsample_bicubic2d_aa grid_sampler_2d grid_sampler_3d _grid_sampler_2d_cpu_fallback
    cudnn_grid_sampler affine_grid_generator
"""
# Numbers about tensors, checks and quantising of values (quantised products are not aten operators).
_ASKING = """
    _local_scalar_dense _assert_async _functional_assert_async _assert_scalar _assert_tensor_metadata
    _fused_sdp_choice _has_same_storage_numel _is_all_true _is_any_true allclose equal is_pinned is_same_size item
    _linalg_check_errors sym_constrain_range sym_constrain_range_for_size record_stream _nnz sparse_dim dense_dim
    dequantize int_repr q_per_channel_axis q_per_channel_scales q_per_channel_zero_points q_scale q_zero_point qscheme
    quantize_per_channel quantize_per_tensor quantize_per_tensor_dynamic _empty_affine_quantized
    _empty_per_channel_affine_quantized fake_quantize_per_channel_affine_cachemask
    fake_quantize_per_tensor_affine_cachemask _fake_quantize_per_tensor_affine_cachemask_tensor_qparams
    _fake_quantize_learnable_per_tensor_affine _fake_quantize_learnable_per_channel_affine
"""
# Made of the above, and not worth taking apart when they arrive whole.
_COMPOSITE = """
    batch_norm contiguous dropout expand_as flatten reshape reshape_as to type_as unflatten view_as
"""
_NAMES = frozenset(
    "".join((_CREATING, _ARRANGING, _CHOOSING, _SUMMING, _ELEMENTWISE, _NORMALISING, _ASKING, _COMPOSITE)).split()
)
_NAMESPACES = ("prim", "profiler")
_declared: set[OpOverload | OpOverloadPacket] = set()


def declare_not_synaptic(*operators: OpOverload | OpOverloadPacket) -> None:
    """Say that operators of your own multiply nothing, so that they are no longer listed as uncounted."""
    _declared.update(operators)


def is_not_synaptic(operator: OpOverload) -> bool:
    """Whether an operator is known to hold no synaptic operation."""
    if operator in _declared or operator.overloadpacket in _declared or operator.namespace in _NAMESPACES:
        return True
    if operator.namespace != "aten":
        return False
    tags = operator.tags
    if torch.Tag.pointwise in tags or torch.Tag.reduction in tags:
        return True
    # Optimizers and other foreach operators are elementwise over lists.
    name = operator.overloadpacket.__name__
    if name in _NAMES or name.startswith(("_foreach_", "_fused_adam", "_fused_sgd", "_fused_adagrad")):
        return True
    if name.endswith("_copy") and hasattr(torch.ops.aten, name.removesuffix("_copy")):
        return True
    return is_view(operator)


def is_view(operator: OpOverload) -> bool:
    """Whether an operator gives views of its inputs and computes nothing."""
    returns = operator._schema.returns
    return bool(returns) and all(value.alias_info and not value.alias_info.is_write for value in returns)
