"""The nets: tables of layers (plain data), layers, initial values, and the builder that turns a table into a module."""
