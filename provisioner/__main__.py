"""`python -m provisioner`: the same as the command `provisioner`."""

from provisioner.cli.main import main

if __name__ == "__main__":
    main()
