"""Profiles in the forms of other tools: one module each, from `Run.profile` to a JSON document."""
