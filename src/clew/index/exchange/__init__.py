"""Files of feature details that other tools read and write: one JSON file a feature, or one file a layer."""
