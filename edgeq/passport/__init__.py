"""Where a model comes from and what is known about it: the passport of a bundle (docs/passport.md)."""
