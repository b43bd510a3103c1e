"""Texts that a masked diffusion model writes."""
