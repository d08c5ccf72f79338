"""A short rush on a coupon through the real pipeline, shown live to a person."""
