"""Looking at what a run projected: reading, filtering, showing, exporting and importing."""
