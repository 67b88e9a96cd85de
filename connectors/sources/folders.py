"""Opening the folder that drops arrive in, wherever it is."""

from pathlib import Path

from connectors.sources.folder import Folder, LocalFolder
from hub.errors import ConfigurationError


def open_folder(location: str, secret: str | None) -> Folder:
    """Open the folder at a path, a file:// or an sftp:// URL; ConfigurationError where it is neither."""
    if location.startswith("sftp://"):
        from connectors.sources.sftp import SftpFolder

        return SftpFolder(location, secret)
    scheme, mark, rest = location.partition("://")
    if mark and scheme != "file":
        raise ConfigurationError(
            f"Location '{scheme}://…' is not a folder; give a path or sftp://user@host/path."
        )
    return LocalFolder(Path(rest if mark else location).absolute())
