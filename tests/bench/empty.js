// Nothing: its start-up is the floor of every face.
