"""Makes the deployment package of the app: a zip for Azure Functions on Flex Consumption, and the list of what is in it.

What goes in is derived from what the app imports, by reading its source and that of its dependencies
([ADR 6](../docs/adr/0006-pruned-package.md)). Whatever cannot be followed, or is of a kind that no rule names, ends the build.
"""


class CannotPackage(Exception):
    """Something was met that no rule decides; nothing has been written."""
