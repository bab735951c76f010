COMMANDS: tuple = ()
