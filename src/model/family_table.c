/*
 * The families, as data. A row names a module (family.h says how names are read); its place in the list decides only where
 * neither the model type nor the shapes do. To add a family: a list of rows, an entry in `families` and, where its files exist,
 * a test; docs/families.md has the recipe.
 *
 * Shapes are the file's, slowest axis first; E experts, H hidden size, I width of an expert.
 */
#include "family.h"

enum {
    STACKED = MS_LAY_STACKED,
    ROWS = MS_LAY_ROW_STACKED,
    COLS = MS_LAY_COL_STACKED,
    TRANSPOSED = MS_LAY_TRANSPOSED,
    INTERLEAVED = MS_LAY_INTERLEAVED,
    UP_FIRST = MS_LAY_UP_FIRST,
    BY_SHAPE = MS_LAY_AXES_BY_SHAPE,
    VARIABLE = MS_LAY_VARIABLE_WIDTH,
    BARE = MS_LAY_BARE,
};

#define EXPERT(name, which, how) {name, MS_ROLE_EXPERT, MS_PROJ_##which, how, NULL, NULL}
#define SHARED(name, which) {name, MS_ROLE_SHARED_EXPERT, MS_PROJ_##which, 0, NULL, NULL}
#define SHARED_STACK(name, which) {name, MS_ROLE_SHARED_EXPERT, MS_PROJ_##which, STACKED, NULL, NULL}
#define DENSE(name, which) {name, MS_ROLE_DENSE_FFN, MS_PROJ_##which, 0, NULL, NULL}
#define ROUTER(name) {name, MS_ROLE_ROUTER, MS_PROJ_ROUTER, 0, NULL, NULL}
#define PLAIN(name, role) {name, MS_ROLE_##role, MS_PROJ_NONE, 0, NULL, NULL}

/* ---- one tensor an expert ---- */

static const ms_family_row per_expert_named[] = {
    EXPERT("{moe}.experts.{e}.gate_proj", GATE, 0), /* [I, H] */
    EXPERT("{moe}.experts.{e}.up_proj", UP, 0),     /* [I, H]; alone when there is no gate (Nemotron-H) */
    EXPERT("{moe}.experts.{e}.down_proj", DOWN, 0), /* [H, I] */
    EXPERT("{moe}.experts.{e}.gate_up_proj", GATE_UP, 0),
    EXPERT("{moe}.experts.{e}.gate_and_up_proj", GATE_UP, UP_FIRST), /* Hunyuan-Large */
};

static const ms_family_row per_expert_w123[] = {
    EXPERT("{moe}.experts.{e}.w1", GATE, 0),   EXPERT("{moe}.experts.{e}.w3", UP, 0),
    EXPERT("{moe}.experts.{e}.v1", UP, 0), /* DBRX, taken apart */
    EXPERT("{moe}.experts.{e}.w2", DOWN, 0),   EXPERT("{moe}.experts.mlp.{e}.w1", GATE, 0),
    EXPERT("{moe}.experts.mlp.{e}.v1", UP, 0), EXPERT("{moe}.experts.mlp.{e}.w2", DOWN, 0),
};

static const ms_family_row llama_moe[] = {
    EXPERT("{moe}.calculator.experts.weight_gate.{e}", GATE, 0),
    EXPERT("{moe}.calculator.experts.weight_up.{e}", UP, 0),
    EXPERT("{moe}.calculator.experts.weight_down.{e}", DOWN, 0),
    PLAIN("{moe}.gate.gate_network.{}", ROUTER_AUX), /* two linears with a tanh between them */
    PLAIN("{moe}.gate.weight_noise", ROUTER_AUX),
};

static const ms_family_row per_expert_short[] = {
    EXPERT("{moe}.experts.{e}.gate", GATE, 0),
    EXPERT("{moe}.experts.{e}.up", UP, 0),
    EXPERT("{moe}.experts.{e}.down", DOWN, 0),
};

static const ms_family_row per_expert_fc[] = {
    EXPERT("{moe}.mlp.{e}.fc1", UP, 0),
    EXPERT("{moe}.mlp.{e}.fc2", DOWN, 0),
    EXPERT("{moe}.experts.{e}.fc1", UP, 0),
    EXPERT("{moe}.experts.{e}.fc2", DOWN, 0),
    EXPERT("{moe}.experts.expert_{e}.fc1", UP, 0),
    EXPERT("{moe}.experts.expert_{e}.fc2", DOWN, 0),
    EXPERT("{moe}.experts.{e}.c_fc", UP, 0),
    EXPERT("{moe}.experts.{e}.c_proj", DOWN, 0),
    EXPERT("{moe}.experts.{e}.dense_h_to_4h", UP, 0),
    EXPERT("{moe}.experts.{e}.dense_4h_to_h", DOWN, 0),
    EXPERT("{moe}.deepspeed_moe.experts.deepspeed_experts.{e}.dense_h_to_4h", UP, 0), /* DeepSpeed-MoE */
    EXPERT("{moe}.deepspeed_moe.experts.deepspeed_experts.{e}.dense_4h_to_h", DOWN, 0),
};

static const ms_family_row switch_transformers[] = {
    EXPERT("{moe}.experts.expert_{e}.wi", UP, 0),
    EXPERT("{moe}.experts.expert_{e}.wi_0", GATE, 0),
    EXPERT("{moe}.experts.expert_{e}.wi_1", UP, 0),
    EXPERT("{moe}.experts.expert_{e}.wo", DOWN, 0),
};

static const ms_family_row grok[] = {
    EXPERT("moe.{e}.linear", GATE, 0),
    EXPERT("moe.{e}.linear_v", UP, 0),
    EXPERT("moe.{e}.linear_1", DOWN, 0),
};

static const ms_family_row megatron[] = {
    /* fc1 is gate and up in one, or up alone: its rows against the columns of fc2 tell */
    EXPERT("{moe}.local_experts.{e}.linear_fc1", GATE_UP, 0),
    EXPERT("{moe}.local_experts.{e}.linear_fc2", DOWN, 0),
    EXPERT("{moe}.experts.local_experts.{e}.linear_fc1", GATE_UP, 0),
    EXPERT("{moe}.experts.local_experts.{e}.linear_fc2", DOWN, 0),
    EXPERT("{moe}.experts.{e}.linear_fc1", GATE_UP, 0),
    EXPERT("{moe}.experts.{e}.linear_fc2", DOWN, 0),
};

static const ms_family_row chunk_experts[] = {
    /* E/2 adjugate experts beside the routed ones */
    {"{moe}.chunk_experts.{e}.gate_proj", MS_ROLE_EXPERT, MS_PROJ_GATE, 0, "chunk_experts", NULL},
    {"{moe}.chunk_experts.{e}.up_proj", MS_ROLE_EXPERT, MS_PROJ_UP, 0, "chunk_experts", NULL},
    {"{moe}.chunk_experts.{e}.down_proj", MS_ROLE_EXPERT, MS_PROJ_DOWN, 0, "chunk_experts", NULL},
};

/* ---- all experts in one tensor ---- */

static const ms_family_row gpt_oss[] = {
    /* plain: [E, H, 2I] and [E, I, H]; MXFP4 blocks: [E, 2I, H/32, 16] and [E, H, I/32, 16]; even rows gate, odd rows up */
    EXPERT("{moe}.experts.gate_up_proj", GATE_UP, STACKED | TRANSPOSED | BY_SHAPE | INTERLEAVED),
    EXPERT("{moe}.experts.down_proj", DOWN, STACKED | TRANSPOSED | BY_SHAPE),
};

static const ms_family_row gpt_oss_original[] = {
    EXPERT("{moe}.mlp1_weight", GATE_UP, STACKED | INTERLEAVED),
    EXPERT("{moe}.mlp2_weight", DOWN, STACKED),
    PLAIN("{moe}.mlp1_bias", EXPERT_BIAS),
    PLAIN("{moe}.mlp2_bias", EXPERT_BIAS),
};

static const ms_family_row stacked_transposed[] = {
    EXPERT("{moe}.experts.gate_up_proj", GATE_UP, STACKED | TRANSPOSED | BY_SHAPE), /* [E, H, 2I], halves on columns */
    EXPERT("{moe}.experts.down_proj", DOWN, STACKED | TRANSPOSED | BY_SHAPE),       /* [E, I, H] */
};

static const ms_family_row stacked_fused[] = {
    EXPERT("{moe}.experts.gate_up_proj", GATE_UP, STACKED | BY_SHAPE), /* [E, 2I, H], halves on rows */
    EXPERT("{moe}.experts.down_proj", DOWN, STACKED | BY_SHAPE),       /* [E, H, I] */
    EXPERT("{moe}.experts.up_proj", UP, STACKED | BY_SHAPE),           /* [E, I, H] */
    EXPERT("{moe}.experts.gate_proj", GATE, STACKED | BY_SHAPE),
    EXPERT("{moe}.experts.gate_and_up_proj", GATE_UP, STACKED | BY_SHAPE | UP_FIRST),
};

static const ms_family_row inkling[] = {
    EXPERT("{moe}.experts.w13_weight", GATE_UP, STACKED | INTERLEAVED), /* [E, 2I, H] */
    EXPERT("{moe}.experts.w2_weight", DOWN, STACKED),
};

static const ms_family_row stacked_w123[] = {
    EXPERT("{moe}.experts.w1", GATE, STACKED | BY_SHAPE),
    EXPERT("{moe}.experts.w3", UP, STACKED | BY_SHAPE),
    EXPERT("{moe}.experts.w2", DOWN, STACKED | BY_SHAPE),
};

static const ms_family_row stacked_linears[] = {
    EXPERT("{moe}.input_linear", GATE_UP, STACKED), /* [E, 2I, H] */
    EXPERT("{moe}.output_linear", DOWN, STACKED),   /* [E, H, I] */
    PLAIN("{moe}.bias", EXPERT_BIAS),               /* [H], one for all experts */
    {"self_attention.experts.input_linear", MS_ROLE_EXPERT, MS_PROJ_NONE, STACKED, "attention_experts", "input_linear"},
    {"self_attention.experts.output_linear", MS_ROLE_EXPERT, MS_PROJ_NONE, STACKED, "attention_experts", "output_linear"},
    {"self_attention.experts.router.layer", MS_ROLE_ROUTER, MS_PROJ_ROUTER, 0, "attention_experts", NULL},
    {"self_attention.experts.bias", MS_ROLE_EXPERT_BIAS, MS_PROJ_NONE, 0, "attention_experts", NULL},
};

static const ms_family_row stacked_moe[] = {
    EXPERT("moe.gate_proj", GATE, STACKED), /* [E, I, H] */
    EXPERT("moe.up_proj", UP, STACKED),
    EXPERT("moe.down_proj", DOWN, STACKED), /* [E, H, I] */
    EXPERT("moe.gate_up_proj", GATE_UP, STACKED),
};

static const ms_family_row mlx_switch[] = {
    EXPERT("{moe}.switch_mlp.gate_proj", GATE, STACKED),
    EXPERT("{moe}.switch_mlp.up_proj", UP, STACKED),
    EXPERT("{moe}.switch_mlp.down_proj", DOWN, STACKED),
    EXPERT("{moe}.switch_mlp.gate_up_proj", GATE_UP, STACKED),
    EXPERT("{moe}.switch_mlp.fc1", UP, STACKED),
    EXPERT("{moe}.switch_mlp.fc2", DOWN, STACKED),
    EXPERT("{moe}.switch_glu.gate_proj", GATE, STACKED),
    EXPERT("{moe}.switch_glu.up_proj", UP, STACKED),
    EXPERT("{moe}.switch_glu.down_proj", DOWN, STACKED),
    EXPERT("{moe}.switch_glu.gate_up_proj", GATE_UP, STACKED),
    EXPERT("{moe}.experts.switch_glu.gate_proj", GATE, STACKED),
    EXPERT("{moe}.experts.switch_glu.up_proj", UP, STACKED),
    EXPERT("{moe}.experts.switch_glu.down_proj", DOWN, STACKED),
};

static const ms_family_row stacked_fc[] = {
    EXPERT("{moe}.experts.fc1", GATE_UP, STACKED | TRANSPOSED | BY_SHAPE), /* Aria [E, H, 2I], the activated half first */
    EXPERT("{moe}.experts.fc2", DOWN, STACKED | TRANSPOSED | BY_SHAPE),    /* Aria [E, I, H] */
    EXPERT("{moe}.fc1", GATE_UP, STACKED | BY_SHAPE),                      /* Moondream [E, 2I, H] */
    EXPERT("{moe}.fc2", DOWN, STACKED | BY_SHAPE),
};

static const ms_family_row megablocks[] = {
    EXPERT("{moe}.experts.mlp.w1", GATE, ROWS), /* [E*I, H]; up when there is no v1 (Nomic) */
    EXPERT("{moe}.experts.mlp.v1", UP, ROWS),
    EXPERT("{moe}.experts.mlp.w2", DOWN, ROWS | TRANSPOSED), /* [E*I, H]: the transpose of a down projection */
    EXPERT("{moe}.experts.mlp.w1", GATE,
           STACKED | BY_SHAPE), /* not flattened: [E, H, I] without sparse kernels, or [E, I, H] */
    EXPERT("{moe}.experts.mlp.v1", UP, STACKED | BY_SHAPE),
    EXPERT("{moe}.experts.mlp.w2", DOWN, STACKED | TRANSPOSED | BY_SHAPE), /* [E, I, H] */
    EXPERT("block_sparse_moe.w1", GATE, ROWS),                             /* the first torch release of Mixtral */
    EXPERT("block_sparse_moe.w3", UP, ROWS),
    EXPERT("block_sparse_moe.w2", DOWN, ROWS | TRANSPOSED),
    PLAIN("{moe}.experts.bias", EXPERT_BIAS), /* [H] */
};

static const ms_family_row llama4_original[] = {
    EXPERT("{moe}.experts.moe_w_in_eD_F", GATE, ROWS | TRANSPOSED), /* [E*H, I] */
    EXPERT("{moe}.experts.moe_w_swiglu_eD_F", UP, ROWS | TRANSPOSED),
    EXPERT("{moe}.experts.moe_w_out_eF_D", DOWN, ROWS | TRANSPOSED), /* [E*I, H] */
    SHARED("{moe}.w_in_shared_FD", GATE),
    SHARED("{moe}.w_swiglu_FD", UP),
    SHARED("{moe}.w_out_shared_DF", DOWN),
    ROUTER("{moe}.router_DE"), /* [H, E] */
};

static const ms_family_row nano_moe[] = {
    EXPERT("{moe}.w1", GATE, COLS | TRANSPOSED | VARIABLE | BARE), /* [H, sum of widths]; up when there is no w3 */
    EXPERT("{moe}.w3", UP, COLS | TRANSPOSED | VARIABLE | BARE),
    EXPERT("{moe}.w2", DOWN, ROWS | TRANSPOSED | VARIABLE | BARE), /* [sum of widths, H] */
};

static const ms_family_row gguf[] = {
    EXPERT("ffn_gate_exps", GATE, STACKED),
    EXPERT("ffn_up_exps", UP, STACKED),
    EXPERT("ffn_down_exps", DOWN, STACKED),
    EXPERT("ffn_gate_up_exps", GATE_UP, STACKED),
    EXPERT("ffn_gate.{e}", GATE, 0), /* before spring 2024 */
    EXPERT("ffn_up.{e}", UP, 0),
    EXPERT("ffn_down.{e}", DOWN, 0),
    {"ffn_gate_chexps", MS_ROLE_EXPERT, MS_PROJ_GATE, STACKED, "chunk_experts", NULL},
    {"ffn_up_chexps", MS_ROLE_EXPERT, MS_PROJ_UP, STACKED, "chunk_experts", NULL},
    {"ffn_down_chexps", MS_ROLE_EXPERT, MS_PROJ_DOWN, STACKED, "chunk_experts", NULL},
    SHARED("ffn_gate_shexp", GATE),
    SHARED("ffn_up_shexp", UP),
    SHARED("ffn_down_shexp", DOWN),
    ROUTER("ffn_gate_inp"),
    PLAIN("ffn_gate_inp.scale", ROUTER_AUX),
    PLAIN("ffn_gate_inp_shexp", SHARED_GATE),
    PLAIN("exp_probs_b", ROUTER_AUX),
    PLAIN("ffn_gate_tid2eid", ROUTER_AUX),
    PLAIN("ffn_latent_down", DENSE_FFN),
    PLAIN("ffn_latent_up", DENSE_FFN),
    DENSE("ffn_gate", GATE),
    DENSE("ffn_up", UP),
    DENSE("ffn_down", DOWN),
};

/* ---- what is no routed expert ---- */

static const ms_family_row common[] = {
    ROUTER("{moe}.gate"),
    ROUTER("{moe}.router"),
    ROUTER("{moe}.router.layer"),
    ROUTER("{moe}.router.classifier"),
    ROUTER("{moe}.router.gate"),
    ROUTER("{moe}.router.proj"),
    ROUTER("{moe}.gate.wg"),
    ROUTER("{moe}.gate.gate"),
    ROUTER("{moe}.gate.gate_proj"),
    ROUTER("{moe}.gate.weight_1"), /* ERNIE-VL: the router of the vision experts */
    ROUTER("{moe}.primary_router"),
    ROUTER("{moe}.deepspeed_moe.gate.wg"),

    PLAIN("{moe}.gate.e_score_correction_bias", ROUTER_AUX),
    PLAIN("{moe}.e_score_correction_bias", ROUTER_AUX),
    PLAIN("{moe}.router.e_score_correction_bias", ROUTER_AUX),
    PLAIN("{moe}.experts.e_score_correction_bias", ROUTER_AUX),
    PLAIN("{moe}.moe_statics.e_score_correction_bias", ROUTER_AUX),
    PLAIN("{moe}.gate.moe_statics.e_score_correction_bias", ROUTER_AUX), /* ERNIE as transformers 5 holds it in memory */
    PLAIN("{moe}.gate.expert_bias", ROUTER_AUX),
    PLAIN("{moe}.router.expert_bias", ROUTER_AUX),
    PLAIN("{moe}.expert_bias", ROUTER_AUX),
    PLAIN("{moe}.expert_bias_momentum", ROUTER_AUX),
    PLAIN("{moe}.router_bias", ROUTER_AUX),
    PLAIN("{moe}.gate.router_bias", ROUTER_AUX),
    PLAIN("{moe}.gate.tid2eid", ROUTER_AUX),
    PLAIN("{moe}.router.tid2eid", ROUTER_AUX),
    PLAIN("{moe}.tid2eid", ROUTER_AUX),
    PLAIN("{moe}.router.scale", ROUTER_AUX),
    PLAIN("{moe}.router.per_expert_scale", ROUTER_AUX),
    PLAIN("{moe}.router.balancing_biases", ROUTER_AUX),
    PLAIN("{moe}.balancing_biases", ROUTER_AUX),
    PLAIN("{moe}.gate.balancing_biases", ROUTER_AUX),
    PLAIN("{moe}.gate.global_scale", ROUTER_AUX),
    PLAIN("{moe}.router_scale", ROUTER_AUX),
    PLAIN("{moe}.gate.down_proj", ROUTER_AUX), /* Zaya: a router of several layers, under two names */
    PLAIN("{moe}.gate.router_mlp.fc1", ROUTER_AUX),
    PLAIN("{moe}.gate.router_mlp.fc2", ROUTER_AUX),
    PLAIN("{moe}.gate.router_mlp.out_proj", ROUTER_AUX),
    PLAIN("{moe}.gate.router_states_scale", ROUTER_AUX),
    PLAIN("{moe}.router.down_proj", ROUTER_AUX),
    PLAIN("{moe}.router.router_mlp.{}", ROUTER_AUX),
    PLAIN("{moe}.router.router_states_scale", ROUTER_AUX),
    PLAIN("{moe}.coefficient", ROUTER_AUX),
    PLAIN("{moe}.expert_size_blocks", ROUTER_AUX),
    PLAIN("{moe}.expert_block_offsets", ROUTER_AUX),

    SHARED("{moe}.{shared}.gate_proj", GATE),
    SHARED("{moe}.{shared}.up_proj", UP),
    SHARED("{moe}.{shared}.down_proj", DOWN),
    SHARED("{moe}.{shared}.gate_up_proj", GATE_UP),
    {"{moe}.{shared}.gate_and_up_proj", MS_ROLE_SHARED_EXPERT, MS_PROJ_GATE_UP, UP_FIRST, NULL, NULL},
    SHARED_STACK("{moe}.{shared}.gate_proj", GATE), /* Inkling: [shared experts, ., .] */
    SHARED_STACK("{moe}.{shared}.up_proj", UP),
    SHARED_STACK("{moe}.{shared}.down_proj", DOWN),
    SHARED_STACK("{moe}.{shared}.gate_up_proj", GATE_UP),
    SHARED("{moe}.{shared}.linear_gate", GATE), /* Hunyuan V4 */
    SHARED("{moe}.{shared}.w1", GATE),
    SHARED("{moe}.{shared}.w3", UP),
    SHARED("{moe}.{shared}.w2", DOWN),
    SHARED("{moe}.{shared}.fc1", UP),
    SHARED("{moe}.{shared}.fc2", DOWN),
    SHARED("{moe}.{shared}.gate", GATE),
    SHARED("{moe}.{shared}.up", UP),
    SHARED("{moe}.{shared}.down", DOWN),
    SHARED("{moe}.{shared}.linear_fc1", GATE_UP),
    SHARED("{moe}.{shared}.linear_fc2", DOWN),
    SHARED("{moe}.{shared}.input_linear", GATE_UP),
    SHARED("{moe}.{shared}.output_linear", DOWN),
    PLAIN("{moe}.shared_expert_gate", SHARED_GATE),
    PLAIN("{moe}.shared_experts_gate", SHARED_GATE),

    DENSE("{moe}.gate_proj", GATE),
    DENSE("{moe}.linear_gate", GATE),
    DENSE("{moe}.up_proj", UP),
    DENSE("{moe}.down_proj", DOWN),
    DENSE("{moe}.gate_up_proj", GATE_UP),
    {"{moe}.gate_and_up_proj", MS_ROLE_DENSE_FFN, MS_PROJ_GATE_UP, UP_FIRST, NULL, NULL},
    DENSE("{moe}.w1", GATE),
    DENSE("{moe}.w3", UP),
    DENSE("{moe}.w2", DOWN),
    DENSE("{moe}.fc1", UP),
    DENSE("{moe}.fc2", DOWN),
    DENSE("{moe}.c_fc", UP),
    DENSE("{moe}.c_proj", DOWN),
    DENSE("{moe}.dense_h_to_4h", UP),
    DENSE("{moe}.dense_4h_to_h", DOWN),
    DENSE("{moe}.linear_fc1", GATE_UP),
    DENSE("{moe}.linear_fc2", DOWN),
    DENSE("{moe}.input_linear", GATE_UP),
    DENSE("{moe}.output_linear", DOWN),
    DENSE("{moe}.mlp.w1", GATE), /* Arctic */
    DENSE("{moe}.mlp.w3", UP),
    DENSE("{moe}.mlp.w2", DOWN),
    DENSE("residual_mlp.w1", GATE),
    DENSE("residual_mlp.w3", UP),
    DENSE("residual_mlp.w2", DOWN),
    DENSE("mlps.{}.gate_proj", GATE), /* LongCat */
    DENSE("mlps.{}.up_proj", UP),
    DENSE("mlps.{}.down_proj", DOWN),
    DENSE("DenseReluDense.wi", UP), /* T5 */
    DENSE("DenseReluDense.wi_0", GATE),
    DENSE("DenseReluDense.wi_1", UP),
    DENSE("DenseReluDense.wo", DOWN),
    DENSE("{moe}.wi", UP),
    DENSE("{moe}.wo", DOWN),
    DENSE("intermediate.dense", UP), /* BERT */
    DENSE("output.dense", DOWN),
    PLAIN("{moe}.fc1_latent_proj", DENSE_FFN), /* Nemotron 3: experts work in a narrower space */
    PLAIN("{moe}.fc2_latent_proj", DENSE_FFN),
    PLAIN("{moe}.pre_expert_proj", DENSE_FFN),
    PLAIN("{moe}.post_expert_proj", DENSE_FFN),
    PLAIN("{moe}.routed_expert_down_proj", DENSE_FFN),
    PLAIN("{moe}.routed_expert_up_proj", DENSE_FFN),
};

/* ---- the list ---- */

#define LIST(...) ((const char *const[]){__VA_ARGS__, NULL})
#define FAMILY(id, who, model_types, proof, told, list) \
    {.name = id,                                        \
     .models = who,                                     \
     .types = model_types,                              \
     .telltale = proof,                                 \
     .only_when_told = told,                            \
     .rows = list,                                      \
     .n_rows = sizeof(list) / sizeof((list)[0])}

static const ms_family families[] = {
    FAMILY("per-expert", "Qwen, DeepSeek, Kimi, GLM, OLMoE and many others", NULL, NULL, false, per_expert_named),
    FAMILY("per-expert-w123", "Mixtral, Phi-3.5-MoE, MiniMax, LFM2 and others", NULL, NULL, false, per_expert_w123),
    FAMILY("gpt-oss", "gpt-oss", LIST("gpt_oss"), "{moe}.experts.gate_up_proj_bias", true, gpt_oss),
    FAMILY("inkling", "Inkling 2", LIST("inkling*"), NULL, true, inkling),
    FAMILY("stacked-transposed", "Llama 4, Qwen3-VL", LIST("llama4*", "qwen3_vl_moe*", "openai_privacy_filter"), NULL, true,
           stacked_transposed),
    FAMILY("stacked-fused", "Qwen3.5, Gemma 4, what transformers 5 holds in memory", NULL, NULL, false, stacked_fused),
    FAMILY("gpt-oss-original", "gpt-oss as OpenAI stores it", NULL, NULL, false, gpt_oss_original),
    FAMILY("mlx-switch", "conversions by mlx-lm", NULL, NULL, false, mlx_switch),
    FAMILY("granite", "Granite, JetMoE", NULL, NULL, false, stacked_linears),
    FAMILY("megablocks", "DBRX, Nomic, OLMoE's own files", NULL, NULL, false, megablocks),
    FAMILY("step", "Step-3.5", NULL, NULL, false, stacked_moe),
    FAMILY("stacked-fc", "Aria, Moondream 3", NULL, NULL, false, stacked_fc),
    FAMILY("stacked-w123", "torchtitan", NULL, NULL, false, stacked_w123),
    FAMILY("llama4-original", "Llama 4 as Meta stores it", NULL, NULL, false, llama4_original),
    FAMILY("per-expert-short", "SmallThinker", NULL, NULL, false, per_expert_short),
    FAMILY("per-expert-fc", "Phixtral, NLLB-MoE", NULL, NULL, false, per_expert_fc),
    FAMILY("switch", "Switch Transformers", NULL, NULL, false, switch_transformers),
    FAMILY("grok-1", "Grok-1", NULL, NULL, false, grok),
    FAMILY("megatron", "Megatron exports, Zaya", NULL, NULL, false, megatron),
    FAMILY("llama-moe", "LLaMA-MoE", NULL, NULL, false, llama_moe),
    FAMILY("chunk-experts", "GroveMoE", NULL, NULL, false, chunk_experts),
    FAMILY("gguf", "llama.cpp", NULL, NULL, false, gguf),
    FAMILY("nano-moe", "nanoMOE, nanoMoEchat: experts of different widths", NULL, NULL, false, nano_moe),
    FAMILY("", "", NULL, NULL, false, common),
};

enum { N_FAMILIES = sizeof families / sizeof families[0] };

const ms_family *const ms_families[N_FAMILIES + 1] = {&families[0],  &families[1],  &families[2],  &families[3],  &families[4],
                                                      &families[5],  &families[6],  &families[7],  &families[8],  &families[9],
                                                      &families[10], &families[11], &families[12], &families[13], &families[14],
                                                      &families[15], &families[16], &families[17], &families[18], &families[19],
                                                      &families[20], &families[21], &families[22], &families[23], NULL};

const char *const ms_family_blocks[] = {"mlp",       "block_sparse_moe", "feed_forward", "ffn",       "moe",       "mixer",
                                        "moe_block", "zaya_block",       "sparse_moe",   "moe_layer", "block_moe", "mlp.moe",
                                        NULL};
const char *const ms_family_shared[] = {"shared_expert", "shared_experts", "share_expert", "share_experts", "shared_mlp", NULL};

const char *const ms_family_layer_words[] = {
    "layers",         "h",         "blocks", "block", "blk", "decoder_layer", "encoder_layer", "decoder_layers",
    "encoder_layers", "resblocks", "layer",  "mtp",   NULL};

const ms_family_section ms_family_sections[] = {
    {"mtp", "mtp"},
    {"nextn", "mtp"},
    {"visual", "vision"},
    {"vision_tower", "vision"},
    {"vision_model", "vision"},
    {"vision_encoder", "vision"},
    {"vision", "vision"},
    {"vision_backbone", "vision"},
    {"image_encoder", "vision"},
    {"multi_modal_projector", "vision"},
    {"mm_projector", "vision"},
    {"vit", "vision"},
    {"audio_tower", "audio"},
    {"audio_model", "audio"},
    {"audio_encoder", "audio"},
    {"audio", "audio"},
    {"speech_encoder", "audio"},
    {"talker", "talker"},
    {"code2wav", "talker"},
    {"token2wav", "talker"},
    {"encoder", "encoder"},
    {"decoder", "decoder"},
    {NULL, NULL},
};

const char *const ms_family_mixers[] = {
    "mamba",    "mixer",      "conv",          "ssm",   "temporal_block", "time_mix",        "rwkv", "recurrent", "indexer",
    "ssm_conv", "short_conv", "SelfAttention", "hyena", "retention",      "EncDecAttention", NULL};

const char *const ms_family_embeddings[] = {"embed_tokens",
                                            "wte",
                                            "wpe",
                                            "tok_embeddings",
                                            "lm_head",
                                            "output",
                                            "embed",
                                            "embedding",
                                            "embeddings",
                                            "word_embeddings",
                                            "embed_positions",
                                            "shared",
                                            "embed_out",
                                            "head",
                                            "unembedding",
                                            "unembed",
                                            "token_embd",
                                            "position_embd",
                                            "wpe",
                                            "embed_in",
                                            "tok_embedding",
                                            "word_embedding",
                                            NULL};

/* The weight itself first; then what only says how to read it. Longer ones before those they end with. */
const ms_leaf ms_leaves[] = {
    {".weight", MS_LEAF_WEIGHT, false},
    {".weight_packed", MS_LEAF_WEIGHT, false},
    {".qweight", MS_LEAF_WEIGHT, false},
    {".blocks", MS_LEAF_WEIGHT, false},
    {"_blocks", MS_LEAF_WEIGHT, false},
    {"_packed", MS_LEAF_WEIGHT, false},
    {".W_q", MS_LEAF_WEIGHT, false},
    {".q_weight", MS_LEAF_WEIGHT, false},
    {".trellis", MS_LEAF_WEIGHT, false},
    {".weight._data", MS_LEAF_WEIGHT, false},
    {".codes", MS_LEAF_WEIGHT, false},
    {".indices", MS_LEAF_WEIGHT, false},
    {".dense_weights", MS_LEAF_WEIGHT, false},
    {".Qidxs", MS_LEAF_WEIGHT, false},
    {".B", MS_LEAF_WEIGHT, false},
    {".compressed", MS_LEAF_WEIGHT, false},
    {".weight.compressed", MS_LEAF_WEIGHT, false},
    {"._weight_qdata", MS_LEAF_WEIGHT, false},
    {".bias", MS_LEAF_BIAS, false},
    {"_bias", MS_LEAF_BIAS, false},
    {".weight_scale_inv", MS_LEAF_AUX, false},
    {".weight_scale_2", MS_LEAF_AUX, false},
    {".weight_scale", MS_LEAF_AUX, false},
    {".weight_global_scale", MS_LEAF_AUX, false},
    {".weight_zero_point", MS_LEAF_AUX, false},
    {".weight_g_idx", MS_LEAF_AUX, false},
    {".weight_shape", MS_LEAF_AUX, false},
    {".weight_format", MS_LEAF_AUX, false},
    {".weight.absmax", MS_LEAF_AUX, false},
    {".weight.quant_map", MS_LEAF_AUX, false},
    {".weight.nested_absmax", MS_LEAF_AUX, false},
    {".weight.nested_quant_map", MS_LEAF_AUX, false},
    {".weight.quant_state.bitsandbytes__nf4", MS_LEAF_AUX, false},
    {".weight.quant_state.bitsandbytes__fp4", MS_LEAF_AUX, false},
    {".weight.scale", MS_LEAF_AUX, false},
    {".weight._scale", MS_LEAF_AUX, false},
    {".weight._zeropoint", MS_LEAF_AUX, false},
    {".weight._shift", MS_LEAF_AUX, false},
    {".SCB", MS_LEAF_AUX, false},
    {".scales", MS_LEAF_AUX, false},
    {".biases", MS_LEAF_AUX, false},
    {".qbiases", MS_LEAF_AUX, false},
    {".qzeros", MS_LEAF_AUX, false},
    {".g_idx", MS_LEAF_AUX, false},
    {".q_scale", MS_LEAF_AUX, false},
    {".q_scale_max", MS_LEAF_AUX, false},
    {".q_groups", MS_LEAF_AUX, false},
    {".q_group_map", MS_LEAF_AUX, false},
    {".q_invperm", MS_LEAF_AUX, false},
    {".q_perm", MS_LEAF_AUX, false},
    {".suh", MS_LEAF_AUX, false},
    {".svh", MS_LEAF_AUX, false},
    {".codebooks", MS_LEAF_AUX, false},
    {".meta", MS_LEAF_AUX, false},
    {".dqweight", MS_LEAF_AUX, false},
    {".weight_scales", MS_LEAF_AUX, false},
    {"._weight_scale", MS_LEAF_AUX, false},
    {"._weight_zero_point", MS_LEAF_AUX, false},
    {".weight.bitmask", MS_LEAF_AUX, false},
    {".weight.shape", MS_LEAF_AUX, false},
    {".weight.row_offsets", MS_LEAF_AUX, false},
    {".bitmask", MS_LEAF_AUX, true},
    {".row_offsets", MS_LEAF_AUX, true},
    {".col_vals", MS_LEAF_AUX, true},
    {".shape", MS_LEAF_AUX, true},
    {".zero", MS_LEAF_AUX, true},
    {".axis", MS_LEAF_AUX, true},
    {".nbits", MS_LEAF_AUX, true},
    {".group_size", MS_LEAF_AUX, true},
    {".packing", MS_LEAF_AUX, true},
    {".s", MS_LEAF_AUX, true},
    {".workspace", MS_LEAF_AUX, true},
    {".centroids.weight", MS_LEAF_AUX, true},
    {".res_centroids.weight", MS_LEAF_AUX, true},
    {".SU", MS_LEAF_AUX, true},
    {".SV", MS_LEAF_AUX, true},
    {".Wscale", MS_LEAF_AUX, true},
    {".tables", MS_LEAF_AUX, true},
    {".tables2", MS_LEAF_AUX, true},
    {".scale_packed", MS_LEAF_AUX, true},
    {".scale2", MS_LEAF_AUX, true},
    {".weight_bias", MS_LEAF_AUX, true},
    {".perm", MS_LEAF_AUX, true},
    {".forward_hadamard_matrix", MS_LEAF_AUX, true},
    {".backward_hadamard_matrix", MS_LEAF_AUX, true},
    {".qscale_weight", MS_LEAF_AUX, false},
    {".qscale_act", MS_LEAF_AUX, false},
    {".input_scale", MS_LEAF_AUX, false},
    {".input_scale_inv", MS_LEAF_AUX, false},
    {".input_global_scale", MS_LEAF_AUX, false},
    {".input_zero_point", MS_LEAF_AUX, false},
    {".output_scale", MS_LEAF_AUX, false},
    {".activation_scale", MS_LEAF_AUX, false},
    {".k_scale", MS_LEAF_AUX, false},
    {".v_scale", MS_LEAF_AUX, false},
    {".q_scale_inv", MS_LEAF_AUX, false},
    {".kv_scale", MS_LEAF_AUX, false},
    {".pre_quant_scale", MS_LEAF_AUX, false},
    {".smooth_scale", MS_LEAF_AUX, false},
    {".scale", MS_LEAF_AUX, true},
    {"_scales", MS_LEAF_AUX, true},
    {"_scale_inv", MS_LEAF_AUX, true},
    {"_scale_2", MS_LEAF_AUX, true},
    {"_scale", MS_LEAF_AUX, true},
    {"_zero_point", MS_LEAF_AUX, true},
    {"_shape", MS_LEAF_AUX, true},
    {"_global_scale", MS_LEAF_AUX, true},
    {"_activation_scale", MS_LEAF_AUX, true},
    {"_input_scale", MS_LEAF_AUX, true},
    {"_weight_scale", MS_LEAF_AUX, true},
    {"_weight_scale_2", MS_LEAF_AUX, true},
    {"_weight_scale_inv", MS_LEAF_AUX, true},
    {NULL, MS_LEAF_AUX, false},
};
