"""From a request to a confinement.

`plan` decides (pure), `apply` does, `state` remembers what this process gave up, `report` says what
is in force; `veil` resolves unveil paths, `launch` and its neighbours start other programs.
"""
