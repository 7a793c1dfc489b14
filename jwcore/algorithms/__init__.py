"""The numerics: arrays in, arrays out. Nothing here knows files, data models or the framework."""
