"""Parts of studies, built in or from a user's own file: their base class, their JSON, the files they come from, and their checks.

A kind of part is a base class (a :class:`Part`) and a mapping of what is built in; every function here takes the two.
"""

from zoneout_lab.parts.base import Part
from zoneout_lab.parts.check import check_class, check_kinds, check_part, parts_of
from zoneout_lab.parts.code import Code, File, unforeseen
from zoneout_lab.parts.functions import check_function, function_name, function_named
from zoneout_lab.parts.written import field_values, from_json, reference, resolve, to_json

__all__ = [
    "Code",
    "File",
    "Part",
    "check_class",
    "check_function",
    "check_kinds",
    "check_part",
    "field_values",
    "from_json",
    "function_name",
    "function_named",
    "parts_of",
    "reference",
    "resolve",
    "to_json",
    "unforeseen",
]
