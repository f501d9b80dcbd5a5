"""Weights of networks that the site has: which kinds there are, where the files lie, and by what hash they are held."""
