"""Power, tier by tier: T0 modelled, then meters. Power is in mW, energy in uJ."""
