"""Reports of dictionaries: figures, a page with plots, and a model card."""
