/**
 * Returns a command that looks for a text wherever a run can read: environments, arguments and memory of its
 * processes, and files of its workspace, home and temporary folder. It writes what it found to `file`.
 * The text itself is not in the command.
 */
export function commandToFind(needle: string, file: string): string {
  const script = `
import json, os, re, struct
needle = ${JSON.stringify(needle.split("").toReversed().join(""))}[::-1].encode()
token = os.environ["OMOI_TOKEN"].encode()
seen = {"places": 0, "key": [], "token": []}
def look(place, data):
    seen["places"] += 1
    for name, text in (("key", needle), ("token", token)):
        if text in data: seen[name].append(place)
def read(path):
    try:
        with open(path, "rb") as file: return file.read()
    except OSError: return b""
own = str(os.getpid())
for pid in filter(str.isdigit, os.listdir("/proc")):
    look(f"{pid} environment", read(f"/proc/{pid}/environ"))
    look(f"{pid} arguments", read(f"/proc/{pid}/cmdline"))
    if pid == own: continue
    try:
        with open(f"/proc/{pid}/mem", "rb", 0) as memory, open(f"/proc/{pid}/pagemap", "rb", 0) as pages:
            for line in read(f"/proc/{pid}/maps").decode().splitlines():
                found = re.match(r"([0-9a-f]+)-([0-9a-f]+) rw", line)
                if not found: continue
                first, last = (int(part, 16) >> 12 for part in found.groups())
                for start in range(first, min(last, first + (1 << 20)), 4096):
                    count = min(4096, last - start)
                    pages.seek(start * 8)
                    entries = struct.unpack(f"{count}Q", pages.read(count * 8))
                    # Reading a page that was never written would take memory and time.
                    used = [at for at in range(count) if entries[at] >> 62]
                    while used:
                        run = 1
                        while run < len(used) and used[run] == used[0] + run: run += 1
                        try:
                            memory.seek((start + used[0]) << 12)
                            look(f"{pid} memory", memory.read(run << 12))
                        except (OSError, OverflowError, ValueError): pass
                        used = used[run:]
    except (OSError, struct.error): pass
for root in ("/workspace", "/home/agent", "/tmp", os.getcwd()):
    for folder, _, names in os.walk(root):
        for name in names:
            path = os.path.join(folder, name)
            if os.path.isfile(path) and not os.path.islink(path): look(path, read(path))
json.dump(seen, open(${JSON.stringify(file)}, "w"))
`;
  return `python3 - <<'END'${script}END`;
}
