// Plays the steps of a propagation: the drawing, the dimensions as bars, the line of the score with its best step.
export default {
  template: `
    <div class="animation" v-if="frames.length">
      <div class="animation-head">
        <div class="figure"><span class="figure-value">{{ frame.score }}</span><span class="figure-name">score [std]</span></div>
        <div v-for="fact in frame.facts" :key="fact[0]" class="figure">
          <span class="figure-value">{{ fact[1] }}</span><span class="figure-name">{{ fact[0] }}</span>
        </div>
        <div class="animation-controls">
          <span class="animation-step">step {{ at }} of {{ frames.length - 1 }}</span>
          <button type="button" class="button" @click="playing ? pause() : go(at < frames.length - 1 ? at : 0)">
            {{ playing ? "Pause" : at < frames.length - 1 ? "Play" : "Play again" }}
          </button>
        </div>
      </div>
      <div class="animation-plot">
        <div class="animation-axis" aria-hidden="true"><span>{{ frames[best].score }}</span><span>{{ frames[worst].score }}</span></div>
        <svg class="animation-line" viewBox="0 0 100 24" preserveAspectRatio="none" role="img" :aria-label="'score by step; the best is step ' + best">
          <line class="animation-best" :x1="across(best)" :x2="across(best)" y1="0" y2="24" />
          <polyline class="animation-rest" :points="points(frames.length)" /><polyline class="animation-done" :points="points(at + 1)" />
        </svg>
        <button type="button" class="button plain" @click="seek(best)">best: step {{ best }}</button>
      </div>
      <input type="range" class="animation-place" min="0" :max="frames.length - 1" :value="at" aria-label="step of the propagation"
        :aria-valuetext="'step ' + at" :style="{ '--share': at / Math.max(1, frames.length - 1) }" @input="seek(Number($event.target.value))" />
      <div class="animation-net scroll" tabindex="0" role="group" aria-label="drawing of this step's network" v-if="frame.svg" v-html="frame.svg"></div>
      <div class="bars" :class="{ few: groups.length < 3 }">
        <div v-for="group in groups" :key="group.name" class="bar-group">
          <div class="bar-title">{{ group.name }}</div>
          <div v-for="dim in group.dims" :key="dim.place" class="bar" :class="{ moved: frame.codes[dim.place] !== frames[0].codes[dim.place] }">
            <span class="bar-name">{{ dim.name }}</span>
            <span class="bar-track"><span class="bar-fill" :style="{ transform: 'scaleX(' + share(dim) + ')' }"></span></span>
            <span class="bar-value">{{ dim.values[frame.codes[dim.place]] }}</span>
          </div>
        </div>
      </div>
    </div>
  `,
  props: { frames: Array, groups: Array, run: Number, pace: Number },
  data() {
    return { at: 0, playing: false, timer: null };
  },
  computed: {
    frame() {
      return this.frames[Math.min(this.at, this.frames.length - 1)];
    },
    heights() {
      return this.frames.map((frame) => frame.height);
    },
    best() {
      return this.heights.indexOf(Math.max(...this.heights));
    },
    worst() {
      return this.heights.indexOf(Math.min(...this.heights));
    },
  },
  watch: {
    run: { handler: "play", immediate: true },
  },
  beforeUnmount() {
    clearInterval(this.timer);
  },
  methods: {
    play() {
      clearInterval(this.timer);
      if (!this.frames.length) return;
      const still = window.matchMedia("(prefers-reduced-motion: reduce)").matches;
      this.at = still ? this.frames.length - 1 : 0;
      if (!still) this.go(0);
    },
    go(from) {
      clearInterval(this.timer);
      this.at = from;
      this.playing = true;
      this.timer = setInterval(() => {
        if (this.at < this.frames.length - 1) this.at += 1;
        if (this.at >= this.frames.length - 1) this.pause();
      }, this.pace);
    },
    pause() {
      clearInterval(this.timer);
      this.playing = false;
    },
    seek(step) {
      this.pause();
      this.at = step;
    },
    across(step) {
      return (100 * step) / Math.max(1, this.frames.length - 1);
    },
    share(dim) {
      return this.frame.codes[dim.place] / Math.max(1, dim.values.length - 1);
    },
    points(count) {
      return this.heights.slice(0, count).map((h, k) => `${this.across(k)},${22 - 20 * h}`).join(" ");
    },
  },
};
