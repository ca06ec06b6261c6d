import { h, name } from "./dom.js";
import { count, counted } from "./format.js";
import { deviceCard } from "./device-card.js";
import { levels, shortPath } from "./levels.js";

const searchFrom = 12;

export function lineView(path) {
  let search = "";
  const screenOf = () => {
    const query = new URLSearchParams({ path, search }).toString();
    return { stream: `of=line&${query}`, get: `/api/v1/line?${query}` };
  };
  const onInput = (event, follow) => {
    search = event.target.value;
    follow(screenOf());
  };
  return {
    title: `Line ${path}`,
    screen: screenOf(),
    render: (data, { elapsedMs, follow }) => [
      levels(data.gateway, { line: path }),
      h("h1", {}, "Line ", name(shortPath(path, data.gateway.path))),
      (data.deviceCount > searchFrom || search !== "") && searchField((event) => onInput(event, follow)),
      h("p", { class: "quiet", role: "status" }, summary(data, search)),
      h(
        "ul",
        { class: "devices" },
        data.devices.map((device) => deviceCard(device, elapsedMs)),
      ),
    ],
  };
}

function searchField(oninput) {
  return h(
    "p",
    { class: "field" },
    h("label", { for: "search" }, "Find a device by a part of its name"),
    h("input", { id: "search", type: "search", maxlength: "128", autocomplete: "off", oninput }),
  );
}

function summary({ deviceCount, devices }, search) {
  if (deviceCount === 0)
    return search === ""
      ? "No device on this line has sent anything since the start."
      : "No device has this in its name.";
  const shown =
    devices.length < deviceCount ? `; the first ${count(devices.length)} are shown, find others by name` : "";
  return `${counted(deviceCount, "device")}, those with alerts first${shown}.`;
}
