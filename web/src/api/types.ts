/** Generated from the server by `make page-types`; do not edit. */

export type paths = Record<string, never>;
export type webhooks = Record<string, never>;
export interface components {
    schemas: {
        /** @description New values by key; null takes a value back. */
        AnnotationChanges: {
            [key: string]: components["schemas"]["AnnotationValue"] | null;
        };
        /** @description Changes to a graph's annotations. */
        AnnotationPatch: {
            /** @description The revision that the client has seen. */
            base: number;
            /** @description New values by key; null takes a value back. */
            changes: components["schemas"]["AnnotationChanges"];
        };
        /** @description The value of a key. */
        AnnotationValue: string | true | components["schemas"]["NodeGroup"] | components["schemas"]["PlaceOfBox"];
        /** @description Values by key: `label:<node id>` (text), `feature:L12/4031` (text, shared by all graphs of the same model and dictionary), `pin:<node id>` (true), `group:<id>` (a group), `place:g:<group id>` and `place:n:<node id>` (the place of a box). */
        AnnotationValues: {
            [key: string]: components["schemas"]["AnnotationValue"];
        };
        /** @description The outcome of a change. */
        AnnotationsPatched: {
            /** @description The revision after the change. */
            revision: number;
            /** @description Present values of all keys that changed since `base`. */
            values: {
                [key: string]: components["schemas"]["AnnotationValue"] | null;
            };
            /** @description Keys whose value somebody else changed; it stays as it is. */
            conflicts: {
                [key: string]: components["schemas"]["AnnotationValue"] | null;
            };
        };
        /** @description A feature whose activation changed. */
        ChangedFeature: {
            /** @description Id of its node; null where the graph has none. */
            node: string | null;
            /** @description Layer of the feature. */
            layer: number;
            /** @description Position in the prompt. */
            position: number;
            /** @description Index of the feature in its layer. */
            index: number;
            /** @description Activation before. */
            before: number;
            /** @description Activation after. */
            after: number;
            /** @description Whether the request names it. */
            by_hand: boolean;
        };
        /** @description An edge of both graphs; pairs are those of the left and the right graph. */
        ComparedEdge: {
            /** @description Ids of the source. */
            source: [
                string,
                string
            ];
            /** @description Ids of the target. */
            target: [
                string,
                string
            ];
            /** @description Weights. */
            weight: [
                number,
                number
            ];
        };
        /** @description A feature in several graphs; a value for each graph. */
        ComparedFeature: {
            /** @description Its name, such as L12/403. */
            name: string;
            /** @description Its label in the first graph that has one; empty for none. */
            label: string;
            /** @description Ids of its most influential nodes; null for none. */
            nodes: (string | null)[];
            /** @description Shares of the outputs that flow through these; 0 for none. */
            influence: number[];
        };
        /** @description A node of both graphs; numbers are those of the left and the right graph. */
        ComparedNode: {
            /** @description Id in the left graph. */
            left: string;
            /** @description Id in the right graph. */
            right: string;
            /** @description Share of the outputs that flows through it, left and right. */
            influence: [
                number,
                number
            ];
            /** @description Activation; null for no feature. */
            activation: [
                number | null,
                number | null
            ];
        };
        /** @description The nodes and edges that two graphs share, and those of one graph alone. */
        ComparisonAnswer: {
            /** @description Positions of the prompts that correspond. */
            positions: [
                number,
                number
            ][];
            /** @description Whether model and dictionary agree; otherwise no feature does. */
            same_features: boolean;
            /** @description Nodes of both graphs. */
            nodes: components["schemas"]["ComparedNode"][];
            /** @description Features of both graphs, at other positions. */
            elsewhere: components["schemas"]["ComparedNode"][];
            /** @description Ids of nodes of the left graph alone, most influential first. */
            only_left: string[];
            /** @description Ids of nodes of the right graph alone, likewise. */
            only_right: string[];
            /** @description Edges of both graphs, strongest change first. */
            edges: components["schemas"]["ComparedEdge"][];
            /** @description Number of edges of both graphs; the list may be shorter. */
            n_edges: number;
            /** @description Number of edges of the left graph alone. */
            edges_only_left: number;
            /** @description Number of edges of the right graph alone. */
            edges_only_right: number;
            /** @description Logits of the two likeliest; null for none. */
            difference: components["schemas"]["TargetDifference"] | null;
            /** @description What the graphs share, and features in both and in one, by name. */
            sentences: string[];
            /** @description A sentence about prompts with different first tokens; empty for the same. */
            note: string;
        };
        /** @description Generated text. */
        Continuation: {
            /** @description Text without the changes. */
            before: string;
            /** @description Text for each strength. */
            after: string[];
        };
        /** @description The effect of the changes at one strength. */
        Effect: {
            /** @description Factor of the changes. */
            strength: number;
            /** @description KL divergence of the next token's distribution from before, in nats. */
            kl: number;
            /** @description Likeliest next tokens before. */
            before: components["schemas"]["TokenProbability"][];
            /** @description Likeliest next tokens after. */
            after: components["schemas"]["TokenProbability"][];
            /** @description The graph's targets, largest weight first. */
            targets: components["schemas"]["TargetEffect"][];
            /** @description Features of the request, then the 200 most changed. */
            changed: components["schemas"]["ChangedFeature"][];
            /** @description Number of changed features that the graph does not hold. */
            not_in_graph: number;
        };
        /** @description A piece of text, with a feature's activation on each token. */
        ExampleAnswer: {
            /** @description The tokens. */
            tokens: string[];
            /** @description One activation for each token. */
            activations: number[];
            /** @description Place in `tokens` of the strongest activation. */
            peak_at: number;
            /** @description The strongest activation. */
            peak: number;
        };
        /** @description Examples of one kind, the strongest first. */
        ExampleGroupAnswer: {
            /** @description 0 strongest, -1 most negative; from 1 on and from -2 down, weaker levels. */
            kind: number;
            /** @description The kind in words. */
            name: string;
            /** @description The examples. */
            examples: components["schemas"]["ExampleAnswer"][];
        };
        /** @description A feature's label, and who or what made it. */
        FeatureLabel: {
            /** @description The label. */
            text: string;
            /**
             * @description Its maker: a person, a language model, or a rule on tokens.
             * @enum {string}
             */
            source: "person" | "model" | "tokens";
            /** @description The person, the language model, or the rule. */
            author: string;
            /** @description Share of a test that it passed, 0 to 1; null if untested. */
            confidence: number | null;
            /** @description Time: ISO 8601, UTC. */
            created: string;
        };
        /** @description Everything that an index knows of one feature. */
        FeatureRecordAnswer: {
            /** @description Layer of the feature. */
            layer: number;
            /** @description Index in its layer. */
            feature: number;
            /** @description Its label; null for none. */
            label: components["schemas"]["FeatureLabel"] | null;
            /** @description Number of tokens at which it was measured. */
            positions: number;
            /** @description Share of positions at which it is not zero. */
            frequency: number;
            /** @description Mean activation over all positions. */
            mean: number | null;
            /** @description Smallest activation. */
            minimum: number | null;
            /** @description Largest activation. */
            maximum: number | null;
            /** @description Whether it was never active. */
            never_seen: boolean;
            /** @description Counts of its activations. */
            histogram: components["schemas"]["Histogram"];
            /** @description Pairs (share, value below which it lies). */
            quantiles: [
                number,
                number
            ][];
            /** @description Example texts. */
            groups: components["schemas"]["ExampleGroupAnswer"][];
            /** @description Tokens that it promotes most, with logits per unit. */
            top_outputs: components["schemas"]["TokenValue"][];
            /** @description Tokens that it suppresses most, with logits. */
            bottom_outputs: components["schemas"]["TokenValue"][];
            /** @description Tokens of most peaks, with shares. */
            frequent_tokens: components["schemas"]["TokenValue"][];
            /** @description Tokens of the highest peaks, with activations. */
            strongest_tokens: components["schemas"]["TokenValue"][];
            /** @description `frequent_tokens` of the most negative activations. */
            frequent_low: components["schemas"]["TokenValue"][];
            /** @description `strongest_tokens` of the most negative ones. */
            strongest_low: components["schemas"]["TokenValue"][];
        };
        /** @description The features of several graphs, largest summed influence first. */
        FeatureTableAnswer: {
            /** @description The most influential features. */
            rows: components["schemas"]["ComparedFeature"][];
            /** @description Numbers of features that one graph holds, two, and so on. */
            in_so_many: number[];
        };
        /** @description One annotated graph that comes with clew. */
        GalleryEntry: {
            /** @description Its name in the gallery. */
            name: string;
            /** @description The kind of question. */
            title: string;
            /** @description The prompt that was traced. */
            prompt: string;
            /** @description The model's likeliest next token. */
            answer: string;
            /** @description One sentence about what the graph shows. */
            summary: string;
        };
        /** @description Everything that people added to a graph. */
        GraphAnnotations: {
            /** @description Number of the library's last change to any annotation. */
            revision: number;
            /** @description All values by key. */
            values: components["schemas"]["AnnotationValues"];
        };
        /** @description One graph of the library. */
        GraphEntry: {
            /** @description The graph's id. */
            id: string;
            /** @description The name that a person gave it; by default the prompt. */
            name: string;
            /** @description The prompt, cut at 2,000 characters. */
            prompt: string;
            /** @description The model's name; empty where the file names none. */
            model: string;
            /** @description The dictionary's name; empty where the file names none. */
            dictionary: string;
            /** @description The target with the largest weight; null without targets. */
            answer: components["schemas"]["TopTarget"] | null;
            /** @description Number of nodes. */
            nodes: number;
            /** @description Number of feature nodes. */
            features: number;
            /** @description Number of edges. */
            edges: number;
            /** @description Scores of the graph; null where the file has none. */
            scores: components["schemas"]["ScorePair"] | null;
            /** @description Bytes of the stored file. */
            size: number;
            /** @description Time at which it came into the library: ISO 8601, UTC. */
            created: string;
            /** @description Time of the last change of name or annotations: ISO 8601, UTC. */
            modified: string;
        };
        /** @description The index of a graph's dictionary, and its labels of the graph's features. */
        GraphIndex: {
            /** @description The index; null where there is none. */
            index: components["schemas"]["IndexAbout"] | null;
            /** @description The reason why an existing index cannot be read. */
            problem: string | null;
            /** @description Labels by name of the feature: `L12/4031`. */
            labels: {
                [key: string]: components["schemas"]["FeatureLabel"];
            };
            /** @description A sentence about an index behind another first token; empty for none. */
            note: string;
        };
        /** @description The model of a graph, and whether features can be changed with it. */
        GraphModel: {
            /**
             * @description In memory; known on this machine; named by the file alone; or not named at all.
             * @enum {string}
             */
            state: "loaded" | "ready" | "unknown" | "elsewhere";
            /** @description Reference of the model; empty where the graph names none. */
            model: string;
            /** @description Reference of the dictionary. */
            dictionary: string;
            /** @description Seconds that loading takes; 0 for a loaded one. */
            seconds: number;
            /** @description The sentence on why features cannot be changed; empty where they can. */
            reason: string;
        };
        /**
         * @description All edges from the members of one group to those of another.
         *
         *     An edge of weight `w` into node `t` carries `|w| (influence(t) + weight(t)) / row total(t)` of the
         *     influence; each sum here is over these edges, divided by the influence on all nodes.
         */
        GroupEdge: {
            /** @description Number of the group that they come from, in the summary's list. */
            source: number;
            /** @description Number of the group that they lead to. */
            target: number;
            /** @description The sum without signs. */
            carried: number;
            /** @description The sum with signs: positive if the source makes its targets more active. */
            effect: number;
            /** @description `carried` as a share of all that flows into the target group from outside. */
            share: number;
        };
        /** @description Counts of activations between one edge (included) and the next. */
        Histogram: {
            /** @description One more than counts; a bin from 0 to 0 holds exact zeros. */
            edges: number[];
            /** @description Whole numbers, save for histograms of other tools. */
            counts: number[];
        };
        /**
         * @description `ablate`: Set the activation to 0.
         *     `scale`: Multiply the activation by a number.
         *     `set`: Set the activation to a number.
         *     `add`: Add a number to the activation.
         *     `patch`: Set the activation to its value on another prompt.
         * @enum {string}
         */
        How: "ablate" | "scale" | "set" | "add" | "patch";
        /** @description The texts that an index was made of. */
        IndexAbout: {
            /** @description The model's name. */
            model: string;
            /** @description The dictionary's name. */
            dictionary: string;
            /** @description Files and folders, as they were named. */
            corpus: string[];
            /** @description Number of tokens at which features were measured. */
            positions: number;
            /** @description Number of texts. */
            texts: number;
            /** @description Whether all texts were read. */
            complete: boolean;
            /** @description Time: ISO 8601, UTC. */
            created: string;
            /** @description The program that made it. */
            generator: string;
        };
        /** @description Change features on a graph's prompt. */
        InterveneRequest: {
            /**
             * @description Multiples of the changes, with one effect for each; 0 is no change, 1 the change.
             * @default [
             *       1
             *     ]
             */
            strengths: number[];
            /**
             * @description The parts that respond: direct (as edges predict), frozen-attention or free (the real model).
             * @default free
             */
            regime: components["schemas"]["Regime"];
            /**
             * @description Always `intervene`. (enum property replaced by openapi-typescript)
             * @enum {string}
             */
            kind: "intervene";
            /** @description Id of the graph. */
            graph: string;
            /** @description The changes, all made together. */
            changes: components["schemas"]["NodeChange"][];
            /**
             * @description Number of tokens to generate after the prompt.
             * @default 0
             */
            generate: number;
        };
        /** @description The result of an intervention. */
        InterventionOutcome: {
            /** @description Activations of the graph's features; null in results of clew 0.1. */
            values: components["schemas"]["NodeValues"] | null;
            /** @description The words, where it was a swap. */
            swap: components["schemas"]["SwapOutcome"] | null;
            /** @description One effect for each strength. */
            results: components["schemas"]["Effect"][];
            /** @description Generated text; null where none was asked for. */
            text: components["schemas"]["Continuation"] | null;
            /** @description Python that does the same. */
            python: string;
            /**
             * @description What the tokenizer changes in a prompt, and warnings.
             * @default []
             */
            notes: string[];
        };
        /** @description Long work, its progress and its result; events carry it without the result. */
        Job: {
            /** @description The job's id. */
            id: string;
            /**
             * @description Kind of work.
             * @enum {string}
             */
            kind: "load" | "trace" | "intervene" | "swap";
            /** @description State of the job. */
            state: components["schemas"]["JobState"];
            /** @description What it does now, in words. */
            phase: string;
            /** @description Steps of the phase that are done. */
            done: number;
            /** @description Steps of the phase; 0 where the number is unknown. */
            total: number;
            /** @description Time of the request: ISO 8601, UTC. */
            created: string;
            /** @description Time at which work began. */
            started: string | null;
            /** @description Time at which it ended. */
            finished: string | null;
            /** @description The reason why it failed, as a sentence. */
            error: string | null;
            /** @description The request. */
            request: components["schemas"]["JobRequest"];
            /** @description Id of the graph that it changes or made. */
            graph: string | null;
            /** @description The result; null for loading, and before the job is done. */
            result: components["schemas"]["TracedGraph"] | components["schemas"]["InterventionOutcome"] | null;
        };
        /** @description A request for long work. */
        JobRequest: components["schemas"]["LoadRequest"] | components["schemas"]["TraceRequest"] | components["schemas"]["InterveneRequest"] | components["schemas"]["SwapRequest"];
        /**
         * @description State of a job.
         * @enum {string}
         */
        JobState: "waiting" | "running" | "done" | "failed" | "cancelled";
        /** @description The label of a feature after a change. */
        LabelNow: {
            /** @description The label; null for none. */
            label: components["schemas"]["FeatureLabel"] | null;
        };
        /** @description A person's label of a feature. */
        LabelText: {
            /** @description The label; empty to take it back. */
            text: string;
        };
        /** @description One line of `clew models`. */
        ListedModel: {
            /** @description The name for people. */
            name: string;
            /** @description What a job takes as its `model`. */
            reference: string;
            /** @description Description and licence, or the command that downloads the model. */
            note: string;
            /** @description Whether it loads without the network. */
            ready: boolean;
            /** @description Short names of the dictionaries that are installed for it. */
            dictionaries: string[];
        };
        /** @description Load a model and keep it in memory. */
        LoadRequest: {
            /** @description A short name, a Hugging Face repository or a folder. */
            model: string;
            /**
             * @description `auto` (the dictionary installed for the model, else its neurons), `neurons`, or a short name, a
             *     repository, a folder or a file of transcoders.
             * @default auto
             */
            dictionary: string;
            /**
             * @description Always `load`. (enum property replaced by openapi-typescript)
             * @enum {string}
             */
            kind: "load";
        };
        /** @description A model and its dictionary, as `clew.load` was given them. */
        LoadedModel: {
            /** @description The model. */
            model: string;
            /** @description The dictionary. */
            dictionary: string;
        };
        /** @description One message of a chat. */
        Message: {
            /** @description `system`, `user`, `assistant`, `developer` or `tool`. */
            role: string;
            /** @description The text. */
            content: string;
        };
        /** @description The model in memory. */
        ModelState: {
            /** @description The loaded model; null where none is loaded. */
            loaded: components["schemas"]["LoadedModel"] | null;
        };
        /** @description One way of changing some of a graph's features. */
        NodeChange: {
            /** @description Ids of feature nodes. */
            nodes: string[];
            /** @description The way to change their activations. */
            how: components["schemas"]["How"];
            /** @description Factor, activation or summand, for all but `ablate` and `patch`. */
            value: number | null;
            /**
             * @description The node's own position, all positions, or its own and all after it.
             *
             *     Generated tokens belong to the last two.
             * @default here
             * @enum {string}
             */
            positions: "here" | "all" | "onwards";
            /** @description The prompt to take values from, for `patch` alone. */
            source: components["schemas"]["PatchSource"] | null;
        };
        /** @description An edge of one node. */
        NodeEdge: {
            /** @description Id of the node at the other end. */
            node: string;
            /** @description Short name of the node at the other end. */
            name: string;
            /** @description The edge's weight. */
            weight: number;
        };
        /** @description The edges into or out of one node of the stored graph. */
        NodeEdges: {
            /** @description Number of edges. */
            total: number;
            /** @description The strongest edges, strongest first. */
            edges: components["schemas"]["NodeEdge"][];
            /** @description The other edges. */
            rest: components["schemas"]["RestOfEdges"];
        };
        /** @description A supernode: nodes that a person takes for one. */
        NodeGroup: {
            /** @description The name. */
            name: string;
            /** @description Node ids. */
            members: string[];
            /** @description The colour as `#rrggbb`; null for one that the page chooses. */
            color: string | null;
        };
        /** @description The activations of a graph's features before and after a change. */
        NodeValues: {
            /** @description Ids of feature nodes. */
            nodes: string[];
            /** @description Their activations before. */
            before: number[];
            /** @description For each strength, their activations after. */
            after: number[][];
        };
        /** @description The prompt that a patch takes its values from. */
        PatchSource: {
            /** @description The text; on a graph of a chat it takes the place of the user's last message. */
            prompt: string;
            /** @description The position; negative ones count from the end, null means the positions that are changed. */
            position: number | null;
        };
        /** @description A place that a person chose for a box of the chosen nodes' drawing, in the drawing's pixels. */
        PlaceOfBox: {
            /** @description The middle, from the left. */
            x: number;
            /** @description The middle, from above. */
            y: number;
            /** @description Null for the width of the box's text. */
            width: number | null;
            /** @description Null for the height of the box's text. */
            height: number | null;
        };
        /** @description A prompt as the model reads it, and its likeliest next tokens. */
        Preview: {
            /** @description The prompt's tokens, the sink among them. */
            tokens: string[];
            /** @description For a chat, the role of each token; `template` for what the template adds. */
            roles: string[];
            /** @description The likeliest next tokens, likeliest first. */
            predictions: components["schemas"]["TokenProbability"][];
            /** @description Text of the sink; null for none. */
            sink: string | null;
            /** @description The reason why the sink of the request cannot be used. */
            sink_problem: string | null;
            /** @description For each target of the request the reason why it cannot be explained, or null. */
            target_problems: (string | null)[];
            /** @description Sentences about what was noticed when the model was loaded. */
            notes: string[];
        };
        /** @description A prompt to read with the loaded model. */
        PreviewRequest: {
            /** @description A short name, a Hugging Face repository or a folder. */
            model: string;
            /**
             * @description `auto` (the dictionary installed for the model, else its neurons), `neurons`, or a short name, a
             *     repository, a folder or a file of transcoders.
             * @default auto
             */
            dictionary: string;
            /** @description The text, or the messages of a chat, the oldest first, which the model's own chat template writes. */
            prompt: string | components["schemas"]["Message"][];
            /** @description Text of the first token, which soaks up attention; `none` for none (by default chosen). */
            sink: string | null;
            /** @description Targets to check: text, `id:7042`, or `A minus B` of these. */
            targets: string[] | null;
        };
        /** @description The reason why a request was refused. */
        Problem: {
            /** @description One or more sentences for a person. */
            detail: string;
        };
        /**
         * @description `direct`: Attention, norms and MLPs are held fixed, as an edge assumes.
         *     `frozen-attention`: Attention patterns are held fixed; norms and MLPs respond.
         *     `free`: Nothing is held fixed: the real model.
         * @enum {string}
         */
        Regime: "direct" | "frozen-attention" | "free";
        /** @description A graph's new name. */
        Rename: {
            /** @description The name. */
            name: string;
        };
        /** @description The edges that are not listed. */
        RestOfEdges: {
            /** @description Number of them. */
            count: number;
            /** @description Sum of their absolute weights. */
            weight_absolute: number;
        };
        /** @description The share of the targets that features explain; each score is between 0 and 1. */
        ScorePair: {
            /** @description The replacement score. */
            replacement: number;
            /** @description The completeness score. */
            completeness: number;
        };
        /** @description Facts about the server. */
        ServerInfo: {
            /** @description Version of clew. */
            version: string;
            /** @description The library's folder. */
            library: string;
            /** @description The largest files and graphs. */
            limits: components["schemas"]["ServerLimits"];
            model: components["schemas"]["ModelState"];
        };
        /** @description The largest files that the server takes, and the largest graph that it gives a page. */
        ServerLimits: {
            /** @description Bytes of a file. */
            upload: number;
            /** @description Nodes; of a larger graph a page gets the most influential part. */
            page_nodes: number;
            /** @description Edges; of a larger graph a page gets the most influential part. */
            page_edges: number;
        };
        /** @description A graph as a story: boxes from the tokens up to the outputs, with edges, paths and sentences. */
        StoryAnswer: {
            /** @description Three sentences that say the story in numbers. */
            sentences: string[];
            /** @description The boxes. */
            boxes: components["schemas"]["StoryBox"][];
            /** @description Edges between boxes, by their numbers. */
            edges: components["schemas"]["GroupEdge"][];
            /** @description Paths through steps, strongest first. */
            paths: components["schemas"]["StoryPath"][];
            /** @description Paths from a token to an output past all steps. */
            direct: components["schemas"]["StoryPath"][];
            /** @description Share of the whole graph's influence that pruning took away. */
            pruned: number;
        };
        /** @description Nodes that a story takes for one. */
        StoryBox: {
            /** @description The box's name. */
            name: string;
            /**
             * @description A token holds its features of layer 0; a step has a meaning.
             * @enum {string}
             */
            kind: "token" | "step" | "unnamed" | "near_sink" | "dense" | "error" | "output";
            /** @description A sentence: its features, what they fire on, what they raise. */
            sentence: string;
            /** @description Node ids. */
            members: string[];
            /** @description Share of the influence on all nodes but targets. */
            share: number;
            /** @description Part of the likeliest output's logit; null where unknown. */
            effect: number | null;
            /** @description First and last layer; -1 is that of tokens. */
            layers: [
                number,
                number
            ];
            /** @description First and last position. */
            positions: [
                number,
                number
            ];
            /** @description Whether it is drawn small, as what says nothing by itself. */
            folded: boolean;
            /** @description Words that its features promote. */
            words: string[];
            /** @description Words on which its features fire in an index's texts. */
            fires_on: string[];
            /** @description What stands before those words; may be empty. */
            context: string;
            /** @description Whether a person made it. */
            own: boolean;
            /** @description The colour that a person gave it, as `#rrggbb`. */
            color: string | null;
        };
        /** @description A way through boxes; nodes without a name that lie between two boxes are passed over. */
        StoryPath: {
            /** @description Numbers of boxes, from a token to an output. */
            boxes: number[];
            /** @description The share of the output's input along all paths of nodes that pass these boxes and no others. */
            carried: number;
            /** @description The same with signs: positive if more of the token raises the output. */
            effect: number;
        };
        /** @description A group that a person may accept. */
        SuggestionAnswer: {
            /** @description The group's name. */
            name: string;
            /** @description Node ids. */
            members: string[];
            /** @description The reason for the group. */
            reason: string;
            /** @description Share of the influence on all nodes. */
            share: number;
        };
        /** @description A graph in about a dozen groups, and the shares of influence that these show and leave out. */
        SummaryAnswer: {
            /** @description The groups. */
            groups: components["schemas"]["SummaryGroup"][];
            /** @description Edges between groups. */
            edges: components["schemas"]["GroupEdge"][];
            /** @description Sum of the shares of the groups. */
            shown: number;
            /** @description Share of the influence outside of all groups. */
            in_no_group: number;
            /** @description Share of it that no feature explains. */
            through_errors: number;
            /** @description Share of the whole graph's influence that pruning took away. */
            pruned: number;
        };
        /** @description Nodes that a person may take for one. */
        SummaryGroup: {
            /** @description The group's name. */
            name: string;
            /**
             * @description Kind of its nodes.
             * @enum {string}
             */
            kind: "feature" | "error" | "token" | "target";
            /** @description Node ids. */
            members: string[];
            /** @description Share of the influence on all nodes but targets. */
            share: number;
            /** @description Weight of its targets among the explained outputs. */
            weight: number;
            /** @description Mean layer, weighted by influence. */
            layer: number;
            /** @description Layers between which the middle four fifths of it lie. */
            layers: [
                number,
                number
            ];
            /** @description Mean position, weighted by influence. */
            position: number;
            /** @description First and last position. */
            positions: [
                number,
                number
            ];
            /** @description Tokens that its features promote together. */
            words: string[];
            /** @description Whether a person made it. */
            own: boolean;
            /** @description The colour that a person gave it, as `#rrggbb`. */
            color: string | null;
        };
        /** @description The words of a swap. */
        SwapOutcome: {
            /** @description Name of the swapped group. */
            group: string;
            /** @description Number of its features. */
            count: number;
            /** @description The prompt's own word. */
            word: string;
            /** @description Words to swap it for; the first was taken. */
            words: components["schemas"]["SwapWord"][];
            /** @description The prompt with the other word. */
            prompt: string;
            /** @description Place of the strength that says most. */
            shown: number;
            /** @description Probability of the first word's answer before the swap. */
            before: number;
            /** @description For each strength, its probability after. */
            after: number[];
        };
        /** @description Swap a group of a graph for its values on the same prompt with another word. */
        SwapRequest: {
            /**
             * @description Always `swap`. (enum property replaced by openapi-typescript)
             * @enum {string}
             */
            kind: "swap";
            /** @description Id of the graph. */
            graph: string;
            /** @description Ids of feature nodes (by default all features at the content word of most influence). */
            nodes: string[] | null;
            /**
             * @description The name of the group that these nodes are.
             * @default
             */
            name: string;
            /** @description The word that takes the place of the prompt's own (by default one that the model finds). */
            word: string | null;
            /**
             * @description Make the swap so many times over, with one effect for each.
             * @default [
             *       1,
             *       1.5,
             *       2,
             *       2.5,
             *       3
             *     ]
             */
            strengths: number[];
        };
        /** @description A word that may take the place of the prompt's own. */
        SwapWord: {
            /** @description The word, a token. */
            word: string;
            /** @description The likeliest next token with it. */
            answer: string;
            /** @description The answer's probability. */
            probability: number;
        };
        /** @description The difference between two next tokens, in each prompt. */
        TargetDifference: {
            /** @description The likeliest token of the left graph. */
            first: string;
            /** @description The likeliest token of the right graph, or the second likeliest if that is the first again. */
            second: string;
            /** @description Logit of the first minus logit of the second, in nats, left and right. */
            logits: [
                number,
                number
            ];
        };
        /** @description One target of the graph, before and after a change. */
        TargetEffect: {
            /** @description The token, or `A minus B`. */
            text: string;
            /** @description The token's id, or that of the first of two; null in results of clew 0.1. */
            token_id: number | null;
            /** @description Probability before; null for a difference of two tokens. */
            before: number | null;
            /** @description Probability after; null for a difference of two tokens. */
            after: number | null;
            /** @description Change of the logit, or of the difference of logits. */
            logit_change: number;
            /** @description Change of the centred logit that the graph predicts. */
            predicted: number | null;
            /** @description Change of the centred logit that was measured. */
            measured: number;
        };
        /** @description A feature of the graph that a search found. */
        TextHit: {
            /** @description Name of the feature: `L12/4031`. */
            feature: string;
            /** @description The text that holds the words. */
            snippet: string;
        };
        /** @description A next token and its probability. */
        TokenProbability: {
            /** @description The token. */
            text: string;
            /** @description Its id; null in results of clew 0.1. */
            token_id: number | null;
            /** @description Its probability. */
            probability: number;
        };
        /** @description A token and a number. */
        TokenValue: {
            /** @description The token. */
            text: string;
            /** @description A logit, a share or an activation. */
            value: number;
        };
        /** @description The target with the largest weight. */
        TopTarget: {
            /** @description The token, or `A minus B`. */
            text: string;
            /** @description The model's own; null for a difference of two tokens. */
            probability: number | null;
        };
        /**
         * @description Trace a prompt and put the graph into the library.
         *
         *     The graph is pruned at the thresholds; it stays whole where both are 1.
         */
        TraceRequest: {
            /** @description A short name, a Hugging Face repository or a folder. */
            model: string;
            /**
             * @description `auto` (the dictionary installed for the model, else its neurons), `neurons`, or a short name, a
             *     repository, a folder or a file of transcoders.
             * @default auto
             */
            dictionary: string;
            /** @description The text, or the messages of a chat, the oldest first, which the model's own chat template writes. */
            prompt: string | components["schemas"]["Message"][];
            /**
             * @description Share of the influence that kept nodes carry.
             * @default 0.8
             */
            node_threshold: number;
            /**
             * @description Share of the influence between kept nodes that kept edges carry.
             * @default 0.98
             */
            edge_threshold: number;
            /** @description Text of the first token, which soaks up attention; "bos" or "none" (default: the model's own). */
            sink: string | null;
            /** @description Next tokens to explain: text, `id:7042`, or `A minus B` of these; by default the likeliest. */
            targets: string[] | null;
            /**
             * @description Most tokens to explain.
             * @default 10
             */
            max_targets: number;
            /**
             * @description Explain the likeliest tokens until they reach this total probability.
             * @default 0.95
             */
            target_probability: number;
            /**
             * @description Most features that become nodes.
             * @default 4096
             */
            max_nodes: number;
            /**
             * @description Rank features by attribution (fast) or by influence (as published).
             * @default attribution
             * @enum {string}
             */
            selection: "attribution" | "influence";
            /**
             * @description Bytes for computing edges, besides the model and the graph.
             * @default 100663296
             */
            memory: number;
            /**
             * @description Always `trace`. (enum property replaced by openapi-typescript)
             * @enum {string}
             */
            kind: "trace";
            /** @description Name of the graph in the library (by default the prompt, or a chat's last question). */
            name: string | null;
        };
        /** @description The result of a trace. */
        TracedGraph: {
            /** @description Id of the new graph. */
            graph: string;
        };
    };
    responses: never;
    parameters: never;
    requestBodies: never;
    headers: never;
    pathItems: never;
}
export type AnnotationChanges = components['schemas']['AnnotationChanges'];
export type AnnotationPatch = components['schemas']['AnnotationPatch'];
export type AnnotationValue = components['schemas']['AnnotationValue'];
export type AnnotationValues = components['schemas']['AnnotationValues'];
export type AnnotationsPatched = components['schemas']['AnnotationsPatched'];
export type ChangedFeature = components['schemas']['ChangedFeature'];
export type ComparedEdge = components['schemas']['ComparedEdge'];
export type ComparedFeature = components['schemas']['ComparedFeature'];
export type ComparedNode = components['schemas']['ComparedNode'];
export type ComparisonAnswer = components['schemas']['ComparisonAnswer'];
export type Continuation = components['schemas']['Continuation'];
export type Effect = components['schemas']['Effect'];
export type ExampleAnswer = components['schemas']['ExampleAnswer'];
export type ExampleGroupAnswer = components['schemas']['ExampleGroupAnswer'];
export type FeatureLabel = components['schemas']['FeatureLabel'];
export type FeatureRecordAnswer = components['schemas']['FeatureRecordAnswer'];
export type FeatureTableAnswer = components['schemas']['FeatureTableAnswer'];
export type GalleryEntry = components['schemas']['GalleryEntry'];
export type GraphAnnotations = components['schemas']['GraphAnnotations'];
export type GraphEntry = components['schemas']['GraphEntry'];
export type GraphIndex = components['schemas']['GraphIndex'];
export type GraphModel = components['schemas']['GraphModel'];
export type GroupEdge = components['schemas']['GroupEdge'];
export type Histogram = components['schemas']['Histogram'];
export type How = components['schemas']['How'];
export type IndexAbout = components['schemas']['IndexAbout'];
export type InterveneRequest = components['schemas']['InterveneRequest'];
export type InterventionOutcome = components['schemas']['InterventionOutcome'];
export type Job = components['schemas']['Job'];
export type JobRequest = components['schemas']['JobRequest'];
export type JobState = components['schemas']['JobState'];
export type LabelNow = components['schemas']['LabelNow'];
export type LabelText = components['schemas']['LabelText'];
export type ListedModel = components['schemas']['ListedModel'];
export type LoadRequest = components['schemas']['LoadRequest'];
export type LoadedModel = components['schemas']['LoadedModel'];
export type Message = components['schemas']['Message'];
export type ModelState = components['schemas']['ModelState'];
export type NodeChange = components['schemas']['NodeChange'];
export type NodeEdge = components['schemas']['NodeEdge'];
export type NodeEdges = components['schemas']['NodeEdges'];
export type NodeGroup = components['schemas']['NodeGroup'];
export type NodeValues = components['schemas']['NodeValues'];
export type PatchSource = components['schemas']['PatchSource'];
export type PlaceOfBox = components['schemas']['PlaceOfBox'];
export type Preview = components['schemas']['Preview'];
export type PreviewRequest = components['schemas']['PreviewRequest'];
export type Problem = components['schemas']['Problem'];
export type Regime = components['schemas']['Regime'];
export type Rename = components['schemas']['Rename'];
export type RestOfEdges = components['schemas']['RestOfEdges'];
export type ScorePair = components['schemas']['ScorePair'];
export type ServerInfo = components['schemas']['ServerInfo'];
export type ServerLimits = components['schemas']['ServerLimits'];
export type StoryAnswer = components['schemas']['StoryAnswer'];
export type StoryBox = components['schemas']['StoryBox'];
export type StoryPath = components['schemas']['StoryPath'];
export type SuggestionAnswer = components['schemas']['SuggestionAnswer'];
export type SummaryAnswer = components['schemas']['SummaryAnswer'];
export type SummaryGroup = components['schemas']['SummaryGroup'];
export type SwapOutcome = components['schemas']['SwapOutcome'];
export type SwapRequest = components['schemas']['SwapRequest'];
export type SwapWord = components['schemas']['SwapWord'];
export type TargetDifference = components['schemas']['TargetDifference'];
export type TargetEffect = components['schemas']['TargetEffect'];
export type TextHit = components['schemas']['TextHit'];
export type TokenProbability = components['schemas']['TokenProbability'];
export type TokenValue = components['schemas']['TokenValue'];
export type TopTarget = components['schemas']['TopTarget'];
export type TraceRequest = components['schemas']['TraceRequest'];
export type TracedGraph = components['schemas']['TracedGraph'];
export type $defs = Record<string, never>;
export type operations = Record<string, never>;
