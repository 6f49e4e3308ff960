"""What two processes of the mesh must agree on."""
