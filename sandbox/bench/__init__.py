"""`make bench`: what a reset costs, as ratios within one run on one machine."""
