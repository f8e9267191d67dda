"""What the benches share. Standard library only."""
