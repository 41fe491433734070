"""Files to start from: ``zoneout-lab new`` copies one and gives it a name. Each is a study that runs as it is."""
