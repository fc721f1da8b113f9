"""`python -m kanpde` is the command `kanpde`, also by torchrun: `torchrun --nproc-per-node=8 -m kanpde solve …`."""

import sys

from kanpde.cli import main

if __name__ == "__main__":
    sys.exit(main())
