"""Measures of talking-head pictures, protocols of reenactment, and reports that others can trust. Knows no model."""
