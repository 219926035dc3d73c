"""Golden sets from the native InternVL of transformers: python scripts/make-golden.py OUT (needs transformers 5, torch, safetensors).

Kind internvl-chat, in the key layouts of the -hf repositories or converted to the original one. test/golden/README.md says what is in them.
"""
import json, os, re, sys, zlib
import numpy as np, torch, transformers
from safetensors.torch import save_file
from transformers import InternVLConfig, InternVLForConditionalGeneration

OUT = sys.argv[1]
torch.set_num_threads(1)

def fill(model, seed):
    with torch.no_grad():
        for name, p in model.named_parameters():
            r = np.random.RandomState((seed * 1000003 + zlib.crc32(name.encode())) % 2**32)
            x = torch.from_numpy(r.standard_normal(tuple(p.shape)).astype(np.float32))
            if name.endswith(('norm.weight', 'layernorm.weight', 'layernorm_before.weight', 'layernorm_after.weight', 'q_norm.weight', 'k_norm.weight', 'layer_norm.weight')): x = 1 + 0.1 * x
            elif 'lambda_' in name: x = 0.5 + 0.1 * x
            elif name.endswith('bias'): x = 0.1 * x
            elif 'embed' in name or 'cls_token' in name: x = 0.5 * x
            else: x = x / (p[0].numel() ** 0.5)
            p.copy_(x)

def to_original(name, t, out):
    """Keys of the native class -> keys of InternVLChatModel."""
    n = name
    n = n.replace('model.multi_modal_projector.layer_norm', 'mlp1.0').replace('model.multi_modal_projector.linear_1', 'mlp1.1').replace('model.multi_modal_projector.linear_2', 'mlp1.3')
    n = n.replace('model.vision_tower.encoder.layer.', 'vision_model.encoder.layers.').replace('model.vision_tower.', 'vision_model.')
    n = n.replace('embeddings.cls_token', 'embeddings.class_embedding').replace('position_embeddings', 'position_embedding').replace('patch_embeddings.projection', 'patch_embedding')
    n = n.replace('layernorm_before', 'norm1').replace('layernorm_after', 'norm2').replace('lambda_1', 'ls1').replace('lambda_2', 'ls2')
    n = n.replace('attention.projection_layer', 'attn.proj').replace('attention.q_norm', 'attn.q_norm').replace('attention.k_norm', 'attn.k_norm')
    if n.startswith('model.language_model.'): n = 'language_model.model.' + n[len('model.language_model.'):]
    if n.startswith('lm_head.'): n = 'language_model.' + n
    m = re.match(r'(.*)attention\.([qkv])_proj\.(weight|bias)$', n)
    if m and n.startswith('vision_model'): out.setdefault(f'{m[1]}attn.qkv.{m[3]}', {})[m[2]] = t
    else: out[n] = t

def make(name, seed, vision, text, family, layout, dtype, shards=1):
    torch.manual_seed(0)
    V = text['vocab_size']; img = V - 3
    cfg = InternVLConfig(vision_config=vision, text_config=text, image_token_id=img, image_seq_length=4, downsample_ratio=0.5)
    cfg._attn_implementation = 'eager'
    model = InternVLForConditionalGeneration(cfg).float().eval()
    fill(model, seed)
    if dtype == 'bf16':
        with torch.no_grad():
            for p in model.parameters(): p.copy_(p.bfloat16().float())
    folder = os.path.join(OUT, name); os.makedirs(folder, exist_ok=True)
    state = {k: v.clone() for k, v in model.state_dict().items()}
    if layout == 'original':
        out = {}
        for k, v in state.items(): to_original(k, v, out)
        state = {k: (torch.cat([v['q'], v['k'], v['v']]) if isinstance(v, dict) else v) for k, v in out.items()}
    elif layout == 'native-4.52':
        def old(k):
            if k.startswith('model.language_model.'): return 'language_model.model.' + k[len('model.language_model.'):]
            if k.startswith('lm_head.'): return 'language_model.' + k
            return k[len('model.'):]
        state = {old(k): v for k, v in state.items()}
    state = {k: (v.bfloat16() if dtype == 'bf16' else v).contiguous() for k, v in state.items()}
    keys = sorted(state)
    if shards == 1: save_file(state, folder + '/model.safetensors', metadata={'format': 'pt'})
    else:
        wm = {}
        for i in range(shards):
            f = f'model-{i+1:05d}-of-{shards:05d}.safetensors'
            part = {k: state[k] for k in keys[i::shards]}
            save_file(part, f'{folder}/{f}', metadata={'format': 'pt'}); wm.update({k: f for k in part})
        json.dump({'metadata': {'total_size': sum(v.numel() * v.element_size() for v in state.values())}, 'weight_map': wm}, open(folder + '/model.safetensors.index.json', 'w'))
    if layout == 'original':
        t = dict(text); t['architectures'] = [family]; t.pop('dtype', None)
        v = dict(vision); v['qkv_bias'] = v.pop('attention_bias'); v['qk_normalization'] = v.pop('use_qk_norm'); v['image_size'] = v['image_size'][0]; v['patch_size'] = v['patch_size'][0]
        json.dump({'architectures': ['InternVLChatModel'], 'downsample_ratio': 0.5, 'ps_version': 'v2', 'select_layer': -1, 'force_image_size': v['image_size'], 'template': 'phi3-chat' if 'Phi' in family else 'internlm2-chat', 'vision_config': v, 'llm_config': t}, open(folder + '/config.json', 'w'), indent=1)
    else: cfg.architectures = ['InternVLForConditionalGeneration']; json.dump(cfg.to_dict(), open(folder + '/config.json', 'w'), indent=1)

    rng = np.random.RandomState(seed)
    S = vision['image_size'][0]; n = 3
    pixels = torch.from_numpy(rng.standard_normal((n, 3, S, S)).astype(np.float32))
    tokens = lambda k: rng.randint(3, V - 6, size=k).tolist()
    im = lambda k: [V - 2] + [img] * (4 * k) + [V - 1]
    a = tokens(4) + im(2) + tokens(9); b = tokens(3) + im(1) + tokens(6)
    N = max(len(a), len(b)); rows = [a, b]
    ids = torch.tensor([r + [0] * (N - len(r)) for r in rows]); mask = torch.tensor([[1] * len(r) + [0] * (N - len(r)) for r in rows])
    pos = torch.where(mask == 1, torch.arange(N).expand(2, N), torch.ones(2, N, dtype=torch.long))
    labels = torch.full((2, N), -100)
    for i, r in enumerate(rows): labels[i, len(r) - 5:len(r)] = ids[i, len(r) - 5:len(r)]
    flags = torch.ones(n, dtype=torch.int32)
    E = {'in.pixel_values': pixels, 'in.image_flags': flags, 'in.input_ids': ids, 'in.attention_mask': mask, 'in.position_ids': pos, 'in.labels': labels}
    with torch.no_grad():
        vit = model.model.vision_tower(pixels, output_hidden_states=True)
        hs = vit.hidden_states
        for i, h in enumerate(hs): E[f'vit.hidden_states.{i}'] = h
        feats = model.model.get_image_features(pixels)
        feats = getattr(feats, 'pooler_output', feats)
        E['vit.mlp1'] = feats if feats.dim() == 3 else feats.reshape(n, 4, -1)
        out = model(input_ids=ids, attention_mask=mask, position_ids=pos, pixel_values=pixels, output_hidden_states=True, use_cache=True)
        for i, h in enumerate(out.hidden_states): E[f'llm.hidden_states.{i}'] = h
        E['llm.logits'] = out.logits
        layer = out.past_key_values.layers[0]
        E['llm.kv.0.key'], E['llm.kv.0.value'] = layer.keys, layer.values
        loss = torch.nn.functional.cross_entropy(out.logits[:, :-1].reshape(-1, V), labels[:, 1:].reshape(-1), ignore_index=-100).item()
        t = torch.tensor([tokens(11)]); E['text.input_ids'] = t; E['text.logits'] = model(input_ids=t).logits
        L = LONG.get(name)
        if L:
            t = torch.tensor([tokens(L)]); E['long.input_ids'] = t; E['long.logits'] = model(input_ids=t).logits
        g = torch.tensor([tokens(3) + im(2) + tokens(5)]); gm = torch.ones_like(g)
        E['gen.input_ids'], E['gen.attention_mask'] = g, gm
        seq, steps, past, cur, pv = [], [], None, g, pixels[:2]
        p0 = g.shape[1]
        for s in range(8):
            kw = dict(pixel_values=pv) if s == 0 else {}
            o = model(input_ids=cur, past_key_values=past, use_cache=True, position_ids=(torch.arange(p0)[None] if s == 0 else torch.tensor([[p0 + s - 1]])), **kw)
            past = o.past_key_values; lg = o.logits[:, -1]; steps.append(lg); cur = lg.argmax(-1, keepdim=True); seq.append(cur)
        E['gen.tokens'] = torch.cat(seq, 1); E['gen.step_logits'] = torch.stack(steps, 1)
        top = torch.stack(steps).topk(2, -1).values; margin = (top[..., 0] - top[..., 1]).min().item()
    save_file({k: (v.to(torch.int32) if not v.is_floating_point() else v.float()).contiguous() for k, v in E.items()}, folder + '/expected.safetensors')
    json.dump({'kind': 'internvl-chat', 'llm': text['model_type'], 'seed': seed, 'tokens': {'img_context': img, 'img_start': V - 2, 'img_end': V - 1}, 'num_image_token': 4, 'loss': loss,
               'gen': {'tiles': [0, 1], 'min_top1_top2_margin': margin, 'max_new_tokens': 8}, 'versions': {'transformers': transformers.__version__, 'torch': torch.__version__}}, open(folder + '/expected.json', 'w'), indent=1)
    print(name, 'loss', loss, 'margin', margin, sum(os.path.getsize(f'{folder}/{f}') for f in os.listdir(folder)))

six = dict(hidden_size=32, num_hidden_layers=2, num_attention_heads=4, attention_bias=False, use_qk_norm=True, intermediate_size=48, norm_type='rms_norm', layer_norm_eps=1e-6, image_size=[28, 28], patch_size=[7, 7], num_channels=3, hidden_act='gelu')
small = dict(six, attention_bias=True, use_qk_norm=False, norm_type='layer_norm')
llm = dict(hidden_size=32, intermediate_size=40, num_hidden_layers=2, num_attention_heads=4, vocab_size=96, hidden_act='silu', rms_norm_eps=1e-5, tie_word_embeddings=False)
LONG = {'internvl2-phi3': 24, 'internvl-hf-llama': 40, 'internvl-hf-qwen2': 30}
rope3 = {'rope_type': 'llama3', 'factor': 4.0, 'low_freq_factor': 1.0, 'high_freq_factor': 4.0, 'original_max_position_embeddings': 64}
make('internvl-hf-llama', 11, six, dict(llm, model_type='llama', num_key_value_heads=2, max_position_embeddings=256, rope_theta=10000.0, rope_scaling=rope3), 'LlamaForCausalLM', 'native', 'f32')
make('internvl-hf-qwen2', 13, small, dict(llm, model_type='qwen2', num_key_value_heads=1, max_position_embeddings=64, rope_theta=1e6, rope_scaling={'rope_type': 'yarn', 'factor': 4.0, 'original_max_position_embeddings': 16}), 'Qwen2ForCausalLM', 'native-4.52', 'bf16', shards=2)
short = [1.0, 1.1, 1.3, 1.7]; long = [1.5, 2.5, 4.0, 8.0]
make('internvl2-phi3', 17, small, dict(llm, model_type='phi3', num_key_value_heads=2, max_position_embeddings=160, original_max_position_embeddings=20, rope_theta=10000.0, pad_token_id=0, rope_scaling={'type': 'longrope', 'rope_type': 'longrope', 'short_factor': short, 'long_factor': long}), 'Phi3ForCausalLM', 'original', 'f32')
