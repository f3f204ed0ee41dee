"""What comes from outside, made up by machines: `make fuzz`; its findings are tests."""
