"""A soak: real servers under load and faults, and a model beside them that knows what must be true."""
