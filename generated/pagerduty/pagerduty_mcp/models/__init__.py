"""Objects that the arguments of tools are made of: a module an area, and `shared` for what several areas use."""
