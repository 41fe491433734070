"""netCDF-4 files of this package, read and written with h5py directly: what xarray does, in a small part of its time.

Both know what is written here, and say of anything else that they do not: xarray reads and writes that.
"""

from zoneout_lab.netcdf.familiar import UNIT, Group, UnfamiliarError, Variable, counts_time, remarks
from zoneout_lab.netcdf.reading import Described, groups, groups_of, lazy_tree, read, tree, tree_of
from zoneout_lab.netcdf.writing import written

__all__ = [
    "UNIT",
    "Described",
    "Group",
    "UnfamiliarError",
    "Variable",
    "counts_time",
    "groups",
    "groups_of",
    "lazy_tree",
    "read",
    "remarks",
    "tree",
    "tree_of",
    "written",
]
