"""Where mounts come from: drawn host paths, binds, overlays and depths, with the verdict that their making gives."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from provisioner.facts.mounts import Mount, OverlayFolder
from pytest_isolation.walls.filesystem.host_tree import BELOW, STORES
from pytest_isolation.walls.filesystem.mounts import sensitive_mounts
from pytest_isolation.walls.filesystem.origins import aliases, hidden, layers

ID = "0123456789ab" * 5 + "abcd"
name = st.text(st.characters(codec="ascii", categories=["Ll", "Nd"]), min_size=1, max_size=8)
deep = st.lists(name, max_size=5).map(lambda parts: "".join(f"/{part}" for part in parts))
targets = deep.map(lambda rest: f"/srv{rest}/at")  # no place that a check of its own judges
places = st.sampled_from([*BELOW, *STORES])
data = st.sampled_from(["/srv", "/mnt", "/opt/x", "/data", "/var/lib/mysql", "/home/u/src", "/tmp/x", "/var/www"])


def mount(target: str, root: str = "/", minor: int = 1, *options: str, **more: object) -> Mount:
    line = {
        "id": 7,
        "parent": 1,
        "major": 8,
        "minor": minor,
        "root": root,
        "target": target,
        "options": list(options or ("rw",)),
        "tags": [],
        "fstype": "ext4",
        "source": "none",
        "super_options": ["rw"],
    }
    return Mount.model_validate(line | more)


def overlay(target: str, option: str, *folders: str) -> Mount:
    escaped = ":".join(folder.replace(":", "\\:") for folder in folders)
    return mount(target, "/", 9, major=0, fstype="overlay", super_options=["rw", f"{option}={escaped}"])


ROOT = mount("/", "/roots/one", id=2)
# the host has /var/lib on a disk of its own, and a bind of /etc at /srv/alias
HOST = [mount("/"), mount("/var/lib", "/@lib", 2), mount("/srv/alias", "/etc")]


def bound(path: str, target: str, *options: str) -> Mount:
    """Return the line of a bind of a host path."""
    if path == "/var/lib" or path.startswith("/var/lib/"):
        return mount(target, "/@lib" + path.removeprefix("/var/lib"), 2, *options)
    return mount(target, path, 1, *options)


@given(places, deep, targets, st.booleans())
def test_a_bind_of_what_the_host_uses_is_found_at_any_depth(place: str, rest: str, target: str, ro: bool) -> None:
    found = sensitive_mounts([ROOT, bound(place + rest, target, "ro" if ro else "rw")], HOST)

    assert [text for text in found if text.startswith(f"{target} is the host's {place + rest}")] == found != []
    assert found[0].endswith("(read-only)") == ro


@given(data, deep, targets, st.booleans())
def test_a_bind_of_a_folder_for_data_is_no_finding(place: str, rest: str, target: str, ro: bool) -> None:
    assert sensitive_mounts([ROOT, bound(place + rest, target, "ro" if ro else "rw")], HOST) == []


@given(places, deep, st.lists(data, max_size=3), st.integers(0, 3), targets, st.sampled_from(["lowerdir", "upperdir"]))
def test_an_overlay_is_found_by_any_of_its_folders(
    place: str, rest: str, others: list[str], at: int, target: str, option: str
) -> None:
    path = place + rest
    folders = [*others[:at], path, *others[at:]] if option == "lowerdir" else [path]

    found = sensitive_mounts([ROOT, overlay(target, option, *folders)], HOST)

    assert len(found) == 1
    assert all(f"its {option} is the host's {path}" in text for text in found)


@given(st.lists(st.text(st.characters(codec="ascii", exclude_characters="\\\0,"), min_size=1), min_size=1, max_size=4))
def test_layers_are_split_as_the_kernel_escapes_them(folders: list[str]) -> None:
    assert [folder for _, folder in layers(overlay("/m", "lowerdir", *folders))] == folders


def test_a_second_name_of_a_folder_does_not_hide_it() -> None:
    assert "/etc/x" in aliases("/srv/alias/x", HOST)
    assert sensitive_mounts([ROOT, overlay("/m", "lowerdir", "/srv/alias")], HOST)


@given(places, deep, st.sampled_from(["lowerdir", "lowerdir+", "datadir+", "upperdir"]))
def test_a_layer_is_what_its_links_lead_to(place: str, rest: str, option: str) -> None:
    merged = overlay("/srv/merged", option, "/srv/link")

    found = sensitive_mounts([ROOT, led(merged, option, "/srv/link", place + rest)], HOST)
    assert f"its {option} is the host's {place + rest}" in found[0]
    assert sensitive_mounts([ROOT, merged], HOST) == []
    assert sensitive_mounts([ROOT, led(merged, "workdir", "/srv/link", place + rest)], HOST) == []


def test_a_link_in_a_sensitive_folder_to_an_innocent_one_is_innocent() -> None:
    merged = overlay("/srv/merged", "lowerdir", "/etc/alternatives/data", "/srv/a")

    assert sensitive_mounts([ROOT, merged], HOST)
    assert sensitive_mounts([ROOT, led(merged, "lowerdir", "/etc/alternatives/data", "/srv/data")], HOST) == []


def led(mount: Mount, option: str, name: str, path: str) -> Mount:
    """Return the overlay with what one of its folders is on the host."""
    return mount.model_copy(update={"folders": [OverlayFolder(option=option, name=name, path=path)]})


@given(st.sampled_from(["hosts", "hostname", "resolv.conf"]))
def test_an_engines_file_is_told_by_its_folder_not_by_where_it_is_mounted(file: str) -> None:
    engines = bound(f"/var/lib/docker/containers/{ID}/{file}", f"/etc/{file}")

    assert sensitive_mounts([ROOT, engines], HOST) == []
    assert sensitive_mounts([ROOT, bound("/etc/shadow", f"/etc/{file}", "ro")], HOST)
    assert sensitive_mounts([ROOT, bound("/var/lib/docker/containers", f"/etc/{file}")], HOST)


def test_a_volume_counts_only_in_the_storage_of_another_engine() -> None:
    root = bound(f"/var/lib/docker/vfs/dir/{ID}", "/")
    own = bound("/var/lib/docker/volumes/a/_data", "/data")
    others = bound("/var/lib/containers/storage/volumes/a/_data", "/data")

    assert sensitive_mounts([root, own], HOST) == []
    assert "storage of an engine" in sensitive_mounts([root, others], HOST)[0]
    assert sensitive_mounts([ROOT, own], HOST)


def test_the_partitions_of_an_image_are_no_disks_of_the_host() -> None:
    image = [mount("/", "/", 1, major=259), mount("/efi", "/", 2, major=259)]
    disk = mount("/efi", "/", 2, major=259, source="/dev/nvme0n1p2")

    assert sensitive_mounts(image, HOST) == []
    assert sensitive_mounts([ROOT, disk], HOST) == [
        "/efi is a disk that the host does not mount (/dev/nvme0n1p2, ext4)"
    ]


def test_a_mount_below_another_is_hidden() -> None:
    mounts = [
        mount("/run", id=2, parent=1),
        mount("/run/a/b", id=3, parent=2),
        mount("/run/a", id=4, parent=2),
        mount("/run/a", id=5, parent=4),
        mount("/run/a/b", id=6, parent=5),
    ]

    assert hidden(mounts) == {3, 4}


@given(deep.filter(bool))
def test_the_storage_of_an_engine_is_told_by_its_shape_wherever_it_is(place: str) -> None:
    root = mount("/", "/", 9, major=0, fstype="overlay", super_options=["rw", f"upperdir={place}/overlay2/{ID}/diff"])
    others = f"/elsewhere{place}"

    assert sensitive_mounts([root, bound(f"{place}/volumes/a/_data", "/data")], [mount("/")]) == []
    for path in (f"{others}/volumes/a/_data", f"{others}/overlay2/{ID}/merged", f"{others}/containers/{ID}"):
        found = sensitive_mounts([root, bound(path, "/data")], [mount("/")])
        assert found == [f"/data is the host's {path}: storage of an engine ({others})"]
