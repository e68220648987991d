"""How a data set is made: config, plan, run and sink."""
