"""The words of the product as frozen value objects; numpy and the standard library alone."""
