"""What a build is made of: what it is given, what it tells, and the bundle that comes of it."""
