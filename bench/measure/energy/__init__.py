"""Energy of one inference as models estimate it from operation counts. These are not measurements.

A model is a name, a version, a source, and what one layer costs (`EnergyModel`). `constants` holds those that are a few
constants; adding one is adding an entry there. `lemaire` adds addressing and memory. `user` reads models from files
and from installed packages.
"""

from bench.measure.energy.constants import ENERGY_MODELS as ENERGY_MODELS
from bench.measure.energy.estimates import EnergyEstimate as EnergyEstimate
from bench.measure.energy.estimates import estimate as estimate
from bench.measure.energy.model import EnergyModel as EnergyModel
from bench.measure.energy.model import per_operation as per_operation
from bench.measure.energy.user import energy_models as energy_models
