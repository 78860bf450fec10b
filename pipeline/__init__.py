"""Everything of Align² Studio that is true without a screen: data, models, engines, jobs.

Never imports gradio or studio; torch and transformers are imported inside the engines only.
"""
