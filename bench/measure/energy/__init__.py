"""Energy of one inference as models estimate it from operation counts. These are not measurements.

A model is a name, a version, a source, and what one layer costs (`EnergyModel`). `constants` holds those that are a few
constants; adding one is adding an entry there. `lemaire` adds addressing and memory, `iso` prices a spiking network and
its quantised twin at equal precision. `user` reads models from files and from installed packages.
"""

from inflor_bench.measure.energy.constants import ENERGY_MODELS as ENERGY_MODELS
from inflor_bench.measure.energy.estimates import EnergyEstimate as EnergyEstimate
from inflor_bench.measure.energy.estimates import estimate as estimate
from inflor_bench.measure.energy.model import Bits as Bits
from inflor_bench.measure.energy.model import EnergyModel as EnergyModel
from inflor_bench.measure.energy.model import Term as Term
from inflor_bench.measure.energy.model import at_bits as at_bits
from inflor_bench.measure.energy.model import joules_of as joules_of
from inflor_bench.measure.energy.model import per_operation as per_operation
from inflor_bench.measure.energy.user import energy_models as energy_models
