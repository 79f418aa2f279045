"""One of its operations is gone."""

from .._runtime import About, Api, CustomTool
from .users import GetUsers
