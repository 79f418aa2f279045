from .._runtime import About, CustomTool

class Broken(CustomTool)
    """No colon."""
