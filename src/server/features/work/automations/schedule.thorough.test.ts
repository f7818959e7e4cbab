// Thorough: walks two years of schedules in many zones.
import { testSchedulesIn } from "#test/support/automations/schedules.js";

/** Zones with and without daylight saving, on both hemispheres, with whole and half hours. */
const zones = [
  "UTC",
  "Europe/London",
  "America/New_York",
  "America/St_Johns",
  "America/Santiago",
  "Asia/Kolkata",
  "Australia/Sydney",
  "Pacific/Auckland",
];
testSchedulesIn(zones);
