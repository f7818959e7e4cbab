import { describeStory } from "#test/support/forges/describe-story.js";

describeStory(["github"]);
