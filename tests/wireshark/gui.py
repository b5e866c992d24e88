#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""
gui.py PLUGIN [SCREENSHOT.png]: Wireshark itself, under Xvfb, with the project's profile.

It opens a capture at a deferred recipient, walks into the plugin's tree, and reads what stands there from the clipboard; looks
for the colours of the colouring rules in the packet list; opens the Expert Information; and keeps a picture of the window.
"""
import os
import shutil
import subprocess
import sys
import time

sys.dont_write_bytecode = True
import plugin  # noqa: E402

TOP = os.path.normpath(os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", ".."))
CAPTURE = os.path.join(TOP, "pcaps", "all-three-families.pcap")
PROFILE = os.path.join(TOP, "share", "wireshark", "profile")
FRAME = 33
WIDTH, HEIGHT = 1280, 960
NEEDED = ("wireshark", "Xvfb", "xdotool", "xclip", "import", "convert")
WANTED = ('smtpscope.rule == "deferral.mailbox-busy"', 'smtpscope.severity == "warning"', 'smtpscope.reason == "mailbox-busy"',
          'smtpscope.state == "mail"', 'smtpscope.command == "RCPT"', "smtpscope.code == 450", "smtpscope.request_in == 32",
          "smtpscope.packet == 33", "smtpscope.expert.deferral.warning")
ITEMS = 40
ABOVE_RULE = 14  # lines of the plugin's tree above the rule of its finding
# In a window of this size without decorations: below the lines of a tree of six protocols, the button of the expert infos.
TREE_EMPTY, EXPERT_BUTTON = (200, 850), (17, HEIGHT - 11)
RECENT = """
gui.geometry_main_x: 0
gui.geometry_main_y: 0
gui.geometry_main_width: %d
gui.geometry_main_height: %d
gui.geometry_main_maximized: FALSE
gui.geometry_main_upper_pane: 330
gui.toolbar_main_show: FALSE
""" % (WIDTH, HEIGHT)
PREFERENCES = """
gui.layout_type: 1
gui.layout_content_3: NONE
gui.update.enabled: FALSE
"""
COLUMNS = """
column.width: %m, 55, %t, 80, %s, 120, %d, 120, %p, 60, %Cus, 220, %i, 500
gui.geometry_main_upper_pane: 330
"""


def rule_colours():
    """Name of each colouring rule -> its background, as #RRGGBB."""
    with open(os.path.join(PROFILE, "colorfilters"), encoding="utf-8") as file:
        rows = [line.split("@") for line in file if line.startswith("@")]
    return {row[1]: "#" + "".join("%02X" % (int(part) >> 8) for part in row[3].strip("[").split("]")[0].split(",")) for row in rows}


def wait_for(what, seconds=40):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        found = what()
        if found:
            return found
        time.sleep(0.3)
    return None


class Screen:
    """A display of its own, and Wireshark on it."""

    def __init__(self, tshark):
        self.tshark = tshark
        read, write = os.pipe()
        self.server = subprocess.Popen(["Xvfb", "-displayfd", str(write), "-screen", "0", "%dx%dx24" % (WIDTH, HEIGHT), "-nolisten", "tcp"],
                                       pass_fds=[write], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        os.close(write)
        with os.fdopen(read) as pipe:
            self.display = ":" + pipe.readline().strip()
        self.wireshark = None

    def environment(self):
        return {**os.environ, "DISPLAY": self.display}

    def tool(self, *command, check=True):
        done = subprocess.run(command, env=self.environment(), capture_output=True, timeout=60, check=False)
        if check and done.returncode:
            raise AssertionError("%s: %s" % (" ".join(command), done.stderr.decode()))
        return done.stdout.decode("utf-8", "replace").strip()

    def window(self, name):
        return self.tool("xdotool", "search", "--onlyvisible", "--name", name, check=False).split("\n")[0]

    def start(self, capture):
        configuration = os.path.join(self.tshark.home, ".config", "wireshark")
        profile = os.path.join(configuration, "profiles", "smtpscope")
        shutil.copytree(PROFILE, profile)
        for path, text in ((os.path.join(configuration, "recent_common"), RECENT), (os.path.join(profile, "recent"), COLUMNS)):
            with open(path, "w", encoding="utf-8") as file:
                file.write(text)
        with open(os.path.join(profile, "preferences"), "a", encoding="utf-8") as file:
            file.write(PREFERENCES)
        if self.tshark.user:
            subprocess.run(["chown", "-R", "nobody", self.tshark.home], check=True)
        os.chmod(self.tshark.home, 0o700)
        self.tshark.tshark = "wireshark"
        command = self.tshark.command("-C", "smtpscope", "-r", capture, "-Y", "smtpscope.rule", "-J", "frame.number==%d" % FRAME)
        command[command.index("wireshark"):command.index("wireshark")] = ["DISPLAY=" + self.display]
        self.wireshark = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        if not wait_for(lambda: self.window(os.path.basename(capture))):
            raise AssertionError("Wireshark did not open %s" % capture)
        self.tool("xdotool", "windowfocus", self.window(os.path.basename(capture)))
        time.sleep(3)

    def keys(self, *keys):
        self.tool("xdotool", "key", "--delay", "150", *keys)

    def click(self, x, y):
        self.tool("xdotool", "mousemove", str(x), str(y), "click", "1")
        time.sleep(0.5)

    def copied(self):
        """The item that is selected, as Edit, Copy, As Filter has it."""
        self.keys("ctrl+shift+c")
        return self.tool("xclip", "-o", "-selection", "clipboard", check=False)

    def picture(self, path):
        self.tool("import", "-window", "root", path)

    def colours(self, path):
        """Colour -> pixels."""
        out = self.tool("convert", path, "-format", "%c", "-depth", "8", "histogram:info:-")
        rows = [line.split() for line in out.splitlines() if "#" in line]
        return {next(word for word in row if word.startswith("#"))[:7].upper(): int(row[0].rstrip(":")) for row in rows}

    def stop(self):
        for process in (self.wireshark, self.server):
            if process:
                process.terminate()
                try:
                    process.wait(10)
                except subprocess.TimeoutExpired:
                    process.kill()
                    process.wait()


def walk_tree(screen):
    """Into the plugin's tree, its last protocol, and down through all of it; the items on the way, as filters."""
    screen.click(*TREE_EMPTY)
    # The first key selects the first line where none is selected.
    if not wait_for(lambda: screen.keys("End") or screen.copied() == "smtpscope", 10):
        return []
    screen.keys("shift+Right")
    time.sleep(0.5)
    seen = []
    for _ in range(ITEMS):
        seen.append(screen.copied())
        screen.keys("Down")
    return seen


def check(screen, capture, picture):
    problems = []
    screen.start(capture)
    seen = walk_tree(screen)
    for wanted in WANTED:
        if wanted not in seen:
            problems.append("the tree lacks %r" % wanted)
    if WANTED[0] in seen:  # the finding's head in sight: expert info, its three lines
        screen.keys(*["Up"] * (seen.index(seen[-1]) - seen.index(WANTED[0]) + ABOVE_RULE))
    screen.picture(picture)
    colours = screen.colours(picture)
    for severity, colour in rule_colours().items():
        if colours.get(colour, 0) < 500:
            problems.append("no row has the colour %s of %s" % (colour, severity))
    screen.click(*EXPERT_BUTTON)
    if not wait_for(lambda: screen.window("Expert Information"), 10):
        problems.append("no Expert Information window")
    screen.picture(picture + ".expert.png")
    return seen, problems


def main():
    missing = [tool for tool in NEEDED if not shutil.which(tool)]
    if missing:
        plugin.skip("no %s here" % ", ".join(missing))
    tshark = plugin.Tshark(sys.argv[1])
    picture = sys.argv[2] if len(sys.argv) > 2 else os.path.join(tshark.top, "screenshot.png")
    screen = Screen(tshark)
    try:
        seen, problems = check(screen, tshark.copy(CAPTURE), picture)
    finally:
        screen.stop()
    for problem in problems:
        print(problem)
    if problems:
        print("seen:\n  " + "\n  ".join(seen))
    print("GUI: %d items read, %d problems" % (len(seen), len(problems)))
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
