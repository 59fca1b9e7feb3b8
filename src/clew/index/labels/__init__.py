"""Labels of features: made by rule or by a language model, and tested."""
