// Thorough: the story again on the other kinds of forges.
import { describeStory } from "#test/support/forges/describe-story.js";

describeStory(["gitlab", "gitea"]);
