"""Takes job messages: the valid become jobs, the others are rejected with every wrong field named."""
