"""Statistics on correlated frames: intervals, spectra, paired tests, multiple tests."""
