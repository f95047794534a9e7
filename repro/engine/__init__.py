"""The engine: what is wanted is planned, trained, evaluated and recorded, here or in several processes."""
