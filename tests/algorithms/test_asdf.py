"""The asdf library as it is loaded here knows what it knows when it loads itself."""

import subprocess
import sys

SAME = """
import sys
from jwcore.algorithms._asdf import DATA_MODELS, asdf

assert DATA_MODELS not in sys.modules
own = set(asdf.get_config().resource_manager)
extensions = [extension.extension_uri for extension in asdf.get_config().extensions]
from stdatamodels.jwst import datamodels

with asdf.config_context() as config:
    config.reset_resources()
    config.reset_extensions()
    assert set(config.resource_manager) == own
    assert [extension.extension_uri for extension in config.extensions] == extensions
datamodels.ImageModel((4, 4)).validate()
assert any("jwst_datamodel" in uri for uri in own)
"""


def test_schemas_and_extensions_are_those_of_the_library():
    done = subprocess.run([sys.executable, "-c", SAME], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
