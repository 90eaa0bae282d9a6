"""The numbers that this project reaches for, each with a measurement."""
