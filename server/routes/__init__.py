"""HTTP: parse, call one function, serialise; one module per resource."""
