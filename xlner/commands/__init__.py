"""The commands, one module each; heavy imports happen only inside the functions."""
