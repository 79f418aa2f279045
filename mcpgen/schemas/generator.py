"""The one call of datamodel-code-generator: schemas in, Python classes out, in this process or in one beside it."""

from __future__ import annotations

import gc
import json
import subprocess
import sys
import tempfile
import warnings
from collections.abc import Callable, Mapping
from typing import Any

__all__ = ["ROOT", "begin"]

ROOT = "DocumentRoot"
"""The class that datamodel-code-generator makes of the root around the `$defs`; to be dropped."""

_MANY = 150
"""Classes above which a process of its own pays: it is some 0.5 s until it works, and a class costs 4 to 7 ms."""


def begin(definitions: Mapping[str, Any], aliases: Mapping[str, str]) -> Callable[[], str]:
    """Start to write a class for each of `definitions`, which refer to each other as `#/$defs/…`; return what waits.

    `aliases` names fields: `Class.wire` → the field's name.
    """
    if len(definitions) < _MANY:
        return lambda: _generate(definitions, aliases)
    question, answer = tempfile.TemporaryFile(), tempfile.TemporaryFile()  # noqa: SIM115 - closed where it ends
    question.write(json.dumps([definitions, aliases]).encode())
    question.seek(0)
    # -P: nothing is imported from the folder in which the build runs.
    command = [sys.executable, "-P", "-m", __name__]
    child = subprocess.Popen(command, stdin=question, stdout=answer, stderr=subprocess.DEVNULL)

    def finish() -> str:
        with question, answer:
            if child.wait():
                return _generate(definitions, aliases)  # says what is wrong
            answer.seek(0)
            return answer.read().decode()

    return finish


def _generate(definitions: Mapping[str, Any], aliases: Mapping[str, str]) -> str:
    from datamodel_code_generator import InputFileType, LiteralType, PythonVersion, generate  # 0.3 s that a build
    from datamodel_code_generator.enums import DataModelType  # without nested objects does not pay

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        result = generate(
            json.dumps({"$defs": definitions}),
            input_file_type=InputFileType.JsonSchema,
            output_model_type=DataModelType.PydanticV2BaseModel,
            class_name=ROOT,
            base_class="runtime.Model",
            target_python_version=PythonVersion.PY_311,
            aliases=dict(aliases),
            enum_field_as_literal=LiteralType.All,
            use_annotated=True,
            field_constraints=True,
            use_standard_collections=True,
            use_union_operator=True,
            field_extra_keys={"x-null"},
            treat_dot_as_module=False,
            disable_timestamp=True,
            formatters=[],
        )
    if not isinstance(result, str):
        raise AssertionError("datamodel-code-generator split one document into several modules")
    return result


if __name__ == "__main__":
    gc.disable()
    sys.stdout.buffer.write(_generate(*json.load(sys.stdin.buffer)).encode())
