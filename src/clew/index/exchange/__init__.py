"""Files of feature details that others read and write: one JSON a feature, or packed by layer."""
